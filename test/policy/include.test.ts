import { describe, expect, it } from 'vitest';
import { formatDiagnostic } from '#policy/index.js';
import { MAIN, readMemoryFiles } from './memory-io.js';
import type { MemoryFiles } from './memory-io.js';

const wrap = (body: string): string => `<busconfig>${body}</busconfig>`;
const own = (name: string): string =>
  wrap(`<policy context="default"><allow own="${name}"/></policy>`);

/** The names of the default own rules in order, and the diagnostics. */
function read(files: MemoryFiles, selinux?: Parameters<typeof readMemoryFiles>[1]) {
  const result = readMemoryFiles(files, selinux);
  const diagnostics = result.diagnostics.map(formatDiagnostic);
  if (!result.ok) return { error: formatDiagnostic(result.error), diagnostics };
  const rules = result.config.policy.default;
  const names = rules.map((rule) => (rule.kind === 'own' ? rule.name : rule.kind));
  return { names, diagnostics, config: result.config };
}

describe('include', () => {
  it('stands for the text of the file: later rules come later, later values win', () => {
    const main = wrap(`
<type>one</type>
<policy context="default"><allow own="a.A"/></policy>
<include>sub/two.conf</include>
<policy context="default"><allow own="z.Z"/></policy>`);
    const two = wrap('<type>two</type><include>three.conf</include><listen>unix:path=/x</listen>');
    const files = { [MAIN]: main, '/etc/sub/two.conf': two, '/etc/sub/three.conf': own('m.M') };
    expect(read(files)).toMatchObject({
      names: ['a.A', 'm.M', 'z.Z'],
      diagnostics: [],
      config: {
        busType: 'two',
        listen: ['unix:path=/x'],
        files: [MAIN, '/etc/sub/two.conf', '/etc/sub/three.conf'],
      },
    });
  });

  it.each([
    ['missing', {}, `${MAIN}:1:12: cannot read /etc/a.conf: ENOENT (as the test says)`],
    [
      'malformed',
      { '/etc/a.conf': '<busconfig>' },
      '/etc/a.conf:1:11: malformed XML: unclosed tag: busconfig',
    ],
    [
      'including the main file',
      { '/etc/a.conf': wrap('<include>bus.conf</include>') },
      '/etc/a.conf:1:12: /etc/bus.conf includes itself',
    ],
  ])('of a file that is %s is an error', (_name, files, error) => {
    const main = wrap('<include>a.conf</include>');
    expect(read({ [MAIN]: main, ...files })).toEqual({ error, diagnostics: [] });
  });

  it.each([
    ['missing', {}, []],
    [
      'unreadable',
      { '/etc/a.conf': '<EACCES>' },
      [`${MAIN}:1:12: cannot read /etc/a.conf: EACCES (as the test says)`],
    ],
    [
      'malformed',
      { '/etc/a.conf': `${own('a.A')}<x/>` },
      ['/etc/a.conf:1:79: malformed XML: documents may contain only one root.'],
    ],
    [
      'including itself',
      { '/etc/a.conf': wrap('<include ignore_missing="yes">a.conf</include>') },
      ['/etc/a.conf:1:12: /etc/a.conf includes itself'],
    ],
  ])('with ignore_missing of a file that is %s contributes nothing', (_name, files, expected) => {
    const main = wrap('<include ignore_missing="yes">a.conf</include>');
    const { names, diagnostics } = read({ [MAIN]: main, ...files });
    expect(names).toEqual([]);
    expect(diagnostics).toEqual(expected.map((line) => `${line}; skipped as a whole`));
  });

  it('depends on SELinux if it says so', () => {
    const main = wrap(
      '<include if_selinux_enabled="yes" selinux_root_relative="yes">contexts/x</include>',
    );
    const files = { [MAIN]: main, '/selinux/contexts/x': own('a.A') };
    expect(read(files)).toMatchObject({ names: [] });
    const enabled = { selinuxEnabled: true, selinuxPolicyRoot: '/selinux' };
    expect(read(files, enabled)).toMatchObject({ names: ['a.A'] });
    const rootless = read(files, { selinuxEnabled: true });
    expect(rootless).toMatchObject({ error: `${MAIN}:1:12: the SELinux policy root is not known` });
  });
});

describe('includedir', () => {
  const main = wrap('<includedir>bus.d</includedir>');

  it('reads files that end in .conf, sorted by bytes', () => {
    const files = {
      [MAIN]: main,
      '/etc/bus.d/b.conf': own('b.B'),
      '/etc/bus.d/ä.conf': own('ae.AE'),
      '/etc/bus.d/B.conf': own('B.B'),
      '/etc/bus.d/10-a.conf': own('a.A'),
      '/etc/bus.d/a.conf.bak': own('bak.Bak'),
      '/etc/bus.d/README': 'not XML',
    };
    const { names, diagnostics, config } = read(files);
    expect(names).toEqual(['a.A', 'B.B', 'b.B', 'ae.AE']);
    expect(diagnostics).toEqual([]);
    expect(config?.directories).toEqual(['/etc/bus.d']);
  });

  it('may be missing', () => {
    expect(read({ [MAIN]: main })).toMatchObject({ names: [], diagnostics: [] });
  });

  it('skips bad files as a whole and goes on', () => {
    const files = {
      [MAIN]: main,
      '/etc/bus.d/1-good.conf': own('a.A'),
      '/etc/bus.d/2-empty.conf': '',
      '/etc/bus.d/3-dangling.conf': '<ENOENT>',
      '/etc/bus.d/4-half.conf': own('half.Half').replace('</busconfig>', ''),
      '/etc/bus.d/5-root.conf': '<node/>',
      '/etc/bus.d/6-loop.conf': wrap('<include>../bus.conf</include>'),
      '/etc/bus.d/7-good.conf': own('z.Z'),
    };
    const { names, diagnostics } = read(files);
    expect(names).toEqual(['a.A', 'z.Z']);
    expect(diagnostics.map((line) => line.replace('; skipped as a whole', ''))).toEqual([
      '/etc/bus.d/2-empty.conf:1:1: malformed XML: document must contain a root element.',
      `${MAIN}:1:12: cannot read /etc/bus.d/3-dangling.conf: ENOENT (as the test says)`,
      expect.stringContaining('/etc/bus.d/4-half.conf:1:'),
      '/etc/bus.d/5-root.conf:1:1: <node> is not allowed as the root element',
      '/etc/bus.d/6-loop.conf:1:12: /etc/bus.conf includes itself',
    ]);
  });

  it('uses nothing of a file with a bad rule, and tells each error of it', () => {
    const mixed = wrap(
      '<policy context="default"><allow own="a.A" user="*"/><allow own="b.B"/><deny send_type="x"/></policy>',
    );
    const files = { [MAIN]: main, '/etc/bus.d/a.conf': mixed, '/etc/bus.d/b.conf': own('c.C') };
    const { names, diagnostics } = read(files);
    expect(names).toEqual(['c.C']);
    expect(diagnostics).toEqual([
      expect.stringMatching(/^\/etc\/bus.d\/a.conf:1:45: .*; skipped as a whole$/),
      expect.stringMatching(/^\/etc\/bus.d\/a.conf:1:89: .*; skipped as a whole$/),
    ]);
  });

  it('ends with files that include each other over and over', () => {
    const twice = (next: number): string => wrap(`<include>${next}.conf</include>`.repeat(2));
    const levels = Array.from({ length: 30 }, (_, level) => [
      `/etc/${level}.conf`,
      twice(level + 1),
    ]);
    const files = {
      [MAIN]: wrap('<include ignore_missing="yes">0.conf</include>'),
      ...Object.fromEntries(levels),
      '/etc/30.conf': own('a.A'),
    };
    const { names, diagnostics } = read(files);
    expect(names).toEqual([]);
    expect(diagnostics).toEqual([expect.stringContaining('more than 20000 files are included')]);
  });
});
