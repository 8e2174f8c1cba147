// The samples of README and docs do what they say, and links lead somewhere.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestBus } from '#bridge/testing/index.js';
import { ROOT } from '../support/bus-command.js';
import { output, start } from '../support/process.js';
import { OldBus } from '../uplink/old-bus.js';

const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => `docs/${path}`),
];

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** As GitHub makes the anchor of a heading. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-');

const headings = (path: string): string[] =>
  [...read(path).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading));

/** Links and the targets of references, without those in code. */
function links(path: string): string[] {
  const text = read(path)
    .replaceAll(/^```[^]*?^```/gm, '')
    .replaceAll(/`[^`\n]*`/g, '');
  const inline = [...text.matchAll(/\]\(([^)\s]+)\)/g)];
  const references = [...text.matchAll(/^\[[^\]]+\]: (\S+)$/gm)];
  return [...inline, ...references].map(([, target]) => target);
}

describe('links', () => {
  test.each(PAGES)('%s', (path) => {
    const dead = links(path).filter((target) => {
      if (/^[a-z]+:/.test(target)) return false;
      const [file, section] = target.split('#');
      const page = file === '' ? path : join(dirname(path), file);
      try {
        if (section !== undefined) return !headings(page).includes(section);
        return !PAGES.includes(page) && !exists(page);
      } catch {
        return true;
      }
    });
    expect(dead).toEqual([]);
  });
});

test('the tests that the comparison names are there', () => {
  const named = [...read('docs/comparison.md').matchAll(/`(test\/[^`]+)`/g)].map(
    ([, path]) => path,
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((path) => !exists(path))).toEqual([]);
});

function exists(path: string): boolean {
  const folder = join(ROOT, dirname(path));
  return readdirSync(folder).includes(path.split('/').at(-1)!);
}

/** The programs of a page: what is fenced as `js`, or, in README, indented and begins with an import. */
function samples(path: string): string[] {
  const text = read(path);
  const fenced = [...text.matchAll(/^```js\n([^]*?)^```$/gm)].map(([, code]) => code);
  const indented = [...text.matchAll(/^ {4}import .*\n(?: {4}.*\n|\n)*/gm)].map(([code]) => code);
  return [...fenced, ...indented];
}

const BUSES: [string, () => Promise<{ readonly address: string; stop(): Promise<void> }>][] = [
  ['this bus', () => TestBus.start()],
  ['dbus-daemon', () => OldBus.start('dbus-daemon')],
  ['dbus-broker', () => OldBus.start('dbus-broker')],
];

describe('samples', () => {
  let testBus: TestBus;
  let folder: string;
  beforeAll(async () => {
    testBus = await TestBus.start();
    folder = mkdtempSync(join(ROOT, 'build/samples-'));
  });
  afterAll(async () => {
    await testBus.stop();
    rmSync(folder, { recursive: true });
  });

  const program = (name: string, code: string): string => {
    const file = join(folder, `${name}.mjs`);
    writeFileSync(file, code);
    return file;
  };

  describe.each(BUSES)('on %s', (_kind, open) => {
    let bus: { readonly address: string; stop(): Promise<void> };
    let env: NodeJS.ProcessEnv;
    beforeAll(async () => {
      bus = await open();
      env = { ...testBus.env, DBUS_SESSION_BUS_ADDRESS: bus.address };
    });
    afterAll(() => bus.stop());

    test('of README: the names of the bus', async () => {
      const [code] = samples('README.md');
      const file = program('readme', `${code}\nbus.close();\n`);
      expect(await output(process.execPath, [file], { env })).toContain("'org.freedesktop.DBus'");
    });

    test('of the native API: a service, and a client that calls and listens', async () => {
      const [serviceCode, clientCode] = samples('docs/native-api.md');
      const description = /^const Greeter = \{[^]*?^\};$/m.exec(serviceCode)![0];
      const service = start(
        process.execPath,
        [program('service', `${serviceCode}\nconsole.log('ready');\n`)],
        { env },
      );
      await service.waitForLine(/^ready$/);
      const code = `import { join } from 'bus1-bridge';\n${description}\n${clientCode}`;
      const printed = await output(process.execPath, [program('client', code)], {
        env,
      });
      expect(printed).toBe('Hello, world!\nworld was greeted\n');
      await service.stop();
    });
  });

  test('of testing: a bus with a mock', async () => {
    const [code] = samples('docs/testing.md');
    expect(await output(process.execPath, [program('testing', code)])).toBe('5n\n1\n');
  });
});
