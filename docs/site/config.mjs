// VitePress: what is on the site, in which order, and what it looks like.
import { defineConfig } from 'vitepress';

const page = (link, text) => ({ text, link: `/${link}` });

export default defineConfig({
  title: 'bus1-bridge',
  description: 'A D-Bus message bus on a BUS1 capability core',
  cleanUrls: false,
  lastUpdated: false,
  outDir: '../out',
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      page('tutorial', 'Ten minutes'),
      page('native-api', 'Guide'),
      page('reference/', 'Reference'),
      page('comparison', 'Comparison'),
      page('changelog', 'Changes'),
    ],
    sidebar: [
      { text: 'Begin', items: [page('readme', 'What it is'), page('tutorial', 'Ten minutes')] },
      {
        text: 'Programs',
        items: [
          page('native-api', 'The native API'),
          page('generate', 'Types from introspection'),
          page('testing', 'Testing'),
          page('dbus-next', 'dbus-next without a socket'),
          page('mappings', 'Mappings'),
          page('examples', 'Examples'),
          page('comparison', 'Comparison'),
          page('reference/', 'Reference'),
        ],
      },
      {
        text: 'Buses',
        items: [
          page('adoption', 'Adoption name by name'),
          page('configuration', 'Configuration'),
          page('policy', 'Policy'),
          page('sandbox', 'Sandboxes'),
          page('hosts', 'Several hosts'),
          page('operations', 'Operations'),
          page('packaging', 'Packaging'),
          page('compatibility', 'Compatibility'),
        ],
      },
      {
        text: 'Inside',
        items: [
          page('architecture', 'Architecture'),
          page('bus1-core', 'The BUS1 core'),
          page('shared-domain', 'The shared domain'),
          page('security', 'Security'),
          page('performance', 'Performance'),
          page('decisions/', 'Decisions'),
          page('contributing', 'Contributing'),
        ],
      },
    ],
  },
});
