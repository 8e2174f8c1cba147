// Every sample in README and docs runs, and prints what it says. One that is a part of a program gets the rest here.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { transform } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestBus } from '#bridge/testing/index.js';
import { ROOT } from '../support/bus-command.js';
import { output, run, start, type Program } from '../support/process.js';
import { compile } from '../generate/compiler.js';
import { OldBus } from '../uplink/old-bus.js';

interface Sample {
  readonly language: string;
  readonly code: string;
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** What is fenced as a program; in README, what is indented and begins with an import. */
function samplesOf(page: string): Sample[] {
  const text = read(page);
  const fenced = [...text.matchAll(/^```(js|ts)\n([^]*?)^```$/gm)];
  const indented = [...text.matchAll(/^ {4}import .*\n(?: {4}.*\n|\n)*/gm)];
  return [
    ...fenced.map(([, language, code]) => ({ language, code })),
    ...indented.map(([code]) => ({ language: 'js', code })),
  ];
}

const PAGES = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** How many there are on each page: each of them has a test below. */
const COUNTS: Readonly<Record<string, number>> = {
  'README.md': 1,
  'docs/bus1-core.md': 1,
  'docs/generate.md': 3,
  'docs/mappings.md': 2,
  'docs/native-api.md': 8,
  'docs/shared-domain.md': 1,
  'docs/testing.md': 5,
  'docs/tutorial.md': 5,
};

test('there is no sample without a test', () => {
  const counted = PAGES.map((page) => [page, samplesOf(page).length] as const);
  expect(Object.fromEntries(counted.filter(([, count]) => count > 0))).toEqual(COUNTS);
});

let folder: string;
let testBus: TestBus;
beforeAll(async () => {
  folder = mkdtempSync(join(ROOT, 'build/samples-'));
  testBus = await TestBus.start();
});
afterAll(async () => {
  await testBus.stop();
  rmSync(folder, { recursive: true });
});

let files = 0;
function file(code: string, name = `sample-${++files}.mjs`): string {
  const path = join(folder, name);
  writeFileSync(path, code);
  return path;
}

/** What a program prints. */
const printed = (code: string, env = testBus.env): Promise<string> =>
  output(process.execPath, [file(code)], { env, cwd: folder });

async function serve(code: string, env = testBus.env): Promise<Program> {
  const service = start(process.execPath, [file(`${code}\nconsole.log('ready');\n`)], { env });
  await service.waitForLine(/^ready$/);
  return service;
}

const BUSES: [string, () => Promise<{ readonly address: string; stop(): Promise<void> }>][] = [
  ['this bus', () => TestBus.start()],
  ['dbus-daemon', () => OldBus.start('dbus-daemon')],
  ['dbus-broker', () => OldBus.start('dbus-broker')],
];

describe.each(BUSES)('on %s', (kind, open) => {
  let bus: { readonly address: string; stop(): Promise<void> };
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    bus = await open();
    env = { ...testBus.env, DBUS_SESSION_BUS_ADDRESS: bus.address };
  });
  afterAll(() => bus.stop());

  test('README: the names of the bus', async () => {
    const [{ code }] = samplesOf('README.md');
    expect(await printed(`${code}\nbus.close();\n`, env)).toContain("'org.freedesktop.DBus'");
  });

  test('native API: a service, and a client that calls and listens', async () => {
    const [service, client] = samplesOf('docs/native-api.md');
    const description = /^const Greeter = \{[^]*?^\};$/m.exec(service.code)![0];
    const greeter = await serve(service.code, env);
    const code = `import { join } from 'bus1-bridge';\n${description}\n${client.code}`;
    expect(await printed(code, env)).toBe('Hello, world!\nworld was greeted\n');
    await greeter.stop();
  });

  test('the tutorial', async () => {
    const all = samplesOf('docs/tutorial.md').map(({ code }) => code);
    for (const code of all) file(code, /^\/\/ (\S+)$/m.exec(code)![1]);
    const options = { env, cwd: folder };
    const service = start(process.execPath, ['service.mjs'], options);
    await service.waitForLine(/^ready$/);
    const says = [...read('docs/tutorial.md').matchAll(/^```text\n([^]*?)^```$/gm)];
    const [client, print] = says.map(([, text]) => text);
    expect(await output(process.execPath, ['client.mjs'], options)).toBe(client);
    const printer = start(process.execPath, ['printer.mjs', 'serve'], options);
    await printer.waitForLine(/^ready$/);
    const last = await run(process.execPath, ['print.mjs'], options);
    /* the last part takes a domain, as the page says */
    const expected = kind === 'this bus' ? [0, print, ''] : [1, '', 'NotSupported'];
    expect([last.code, last.stdout, /NotSupported/.exec(last.stderr)?.[0] ?? '']).toEqual(expected);
    await printer.stop();
    await service.stop();
  });
});

const THERMOSTAT = `
import { Domain, implement, join } from 'bus1-bridge';
const Listener = {
  name: 'org.example.Listener', methods: { Changed: { in: 'd', out: '' } }, signals: {}, properties: {},
};
const Thermostat = {
  name: 'org.example.Thermostat',
  methods: { Watch: { in: 'o', out: '' } },
  signals: { Changed: { args: 'd' } },
  properties: { Target: { type: 'd', access: 'read' } },
};
const bus = await join();
`;

describe('native API', () => {
  const sample = (index: number): string => samplesOf('docs/native-api.md')[index].code;

  test('a class with decorators', async () => {
    const { code } = await transform(
      `import { join, method, property, signal } from 'bus1-bridge';
      const bus = await join();
      ${sample(2)}
      await bus.requestName('org.example.Counter');`,
      { loader: 'ts', target: 'es2022' },
    );
    const service = await serve(code);
    expect(
      await printed(`import { join } from 'bus1-bridge';
        const bus = await join();
        const counter = (await bus.object('org.example.Counter', '/counter')).as('org.example.Counter');
        const added = await counter.signals.Added.open();
        console.log(await counter.methods.Add(2), await counter.properties.Count.get());
        console.log((await added.next()).value);
        bus.close();`),
    ).toBe('2 2\n[ 2 ]\n');
    await service.stop();
  });

  test('a listener is handed out', async () => {
    const code = `${THERMOSTAT}
      const implementation = {
        methods: { Watch: async (watcher) => void (await watcher.as(Listener).methods.Changed(21)) },
        properties: { Target: { get: () => 20 } },
      };
      const home = bus.export(implement(Thermostat, implementation));
      const thermostat = home.as(Thermostat);
      const update = (degrees) => console.log(degrees);
      ${sample(3)}
      bus.close();`;
    expect(await printed(code)).toBe('21\n');
  });

  test('an object without a name sends signals, and who has it hears them', async () => {
    const code = `${THERMOSTAT}
      const implementation = { methods: { Watch() {} }, properties: { Target: { get: () => 20 } } };
      ${sample(4).replace(/(?=bus\.objectOf)/, 'const capability = thermostat;\nconst sent = () => {\n')}
      };
      const show = (degrees) => { console.log(degrees); bus.unexport(capability); };
      setImmediate(() => void capability.as(Thermostat).signals.Changed.ready().then(sent));
      ${sample(5)}
      bus.close();`;
    expect(await printed(code)).toBe('21.5\n');
  });

  test('a domain without D-Bus', async () => {
    const prelude = `
      import { Domain, implement } from 'bus1-bridge';
      const simple = (name, member, type) =>
        ({ name, methods: { [member]: { in: type, out: '' } }, signals: {}, properties: {} });
      const Root = simple('org.example.Root', 'Register', 'o');
      const Client = simple('org.example.Client', 'Welcome', 's');
      const client = implement(Client, { methods: { Welcome: (text) => console.log(text) } });
      const root = implement(Root, {
        methods: { Register: (one) => one.as(Client).methods.Welcome('welcome') },
      });`;
    const path = join(folder, 'domain');
    const at = (index: number): string => sample(index).replace('/run/user/1000/example', path);
    const home = await serve(`${prelude}\n${at(6)}`);
    expect(await printed(`${prelude}\n${at(7)}\ndomain.close();`)).toBe('welcome\n');
    await home.stop();
  });
});

describe('the core', () => {
  test('in one process', async () => {
    const [{ code }] = samplesOf('docs/bus1-core.md');
    const more = 'console.log(new TextDecoder().decode(entry.bytes.subarray(0, entry.length)));';
    expect(await printed(`${code}\n${more}`)).toMatch(/^hello/);
  });

  test('in a domain', async () => {
    const [{ code }] = samplesOf('docs/shared-domain.md');
    const authority = `${testBus.address.replace(/^unix:path=|,.*$/g, '')}.bus1`;
    const sample = code.replace('/run/user/1000/bus1/authority', authority);
    const more = 'console.log(root.live); watch.close(); domain.close();';
    expect(await printed(`${sample}\n${more}`)).toBe('true\n');
  });
});

test('types from introspection', async () => {
  const [interfaces, mapped, calls] = samplesOf('docs/generate.md').map(({ code }) => code);
  const types = `${ROOT}/dist/bridge/client/index.d.ts`;
  const { complaints } = await compile(
    {
      'notifications.ts': `import type { InterfaceDescription, NoMembers } from 'bus1-bridge';\n${interfaces}`,
      'logind.ts': `import type { CapabilityTo, InterfaceDescription, NoMembers } from 'bus1-bridge';
        export declare const Session: InterfaceDescription<{ Lock: () => void }, NoMembers, NoMembers>;
        export declare const Manager: InterfaceDescription<ManagerMethods, NoMembers, NoMembers>;
        export type ManagerObject = CapabilityTo<typeof Manager>;
        ${mapped}`,
      'mapped.ts': `import type { Bus } from 'bus1-bridge';
        declare const bus: Bus;
        ${samplesOf('docs/mappings.md')[1].code}`,
      'calls.ts': `import type { InterfaceDescription, NoMembers, Proxy, ReadWrite, Variant } from 'bus1-bridge';
        import { Notifications, type NotificationsSignals } from './notifications.js';
        type Level = { Brightness: ReadWrite<number> };
        type Hints = Map<string, Variant>;
        type Notify = {
          Notify: (...all: [string, number, string, string, string, string[], Hints, number]) => number;
        };
        declare const screen: Proxy<InterfaceDescription<NoMembers, NoMembers, Level>>;
        declare const proxy: Proxy<
          InterfaceDescription<Notify, NotificationsSignals, NoMembers>
        >;
        declare const console: { log(...all: unknown[]): void };
        void Notifications;
        ${calls}`,
    },
    types,
  );
  expect(complaints).toEqual([]);
});

const JUKEBOX = join(ROOT, 'test/translation/jukebox.yaml');
const XML = `<node>
  <interface name="org.example.Jukebox1">
    <method name="Find"><arg type="ao" direction="out"/></method>
    <signal name="TrackAdded"><arg type="o"/></signal>
  </interface>
  <interface name="org.example.Settings1"><method name="Reset"/></interface>
  <interface name="org.example.Track1"><signal name="Renamed"><arg type="s"/></signal></interface>
</node>`;

test('mocks of a mapping, and signals of an object of it', async () => {
  file(readFileSync(JUKEBOX, 'utf8'), 'jukebox.yaml');
  file(XML, 'jukebox.xml');
  const code = `import { readFileSync } from 'node:fs';
    import { objectsOfMapping, TestBus } from 'bus1-bridge/testing';
    ${samplesOf('docs/testing.md')[1].code}
    const bus = await testBus.connect();
    const object = await bus.mapped('org.example.Jukebox');
    const [[track]] = (await object.call({ interface: 'org.example.Player1', member: 'Find' })).body;
    ${samplesOf('docs/mappings.md')[0].code}
    jukebox.object('/org/example/Jukebox/tracks/one').emit('Renamed', 'another');
    await object.call({ interface: 'org.example.Player1', member: 'Find' });
    await testBus.stop();`;
  expect(await printed(code)).toBe("Renamed [ 'another' ]\n");
});

const CLOCK = `const Clock = {
  name: 'org.example.Clock', methods: { Now: { in: '', out: 't' } }, signals: {}, properties: {},
};`;

describe('testing', () => {
  const sample = (index: number): string => samplesOf('docs/testing.md')[index].code;

  test('a bus with a mock', async () => {
    expect(await printed(sample(0))).toBe('5n\n1\n');
  });

  test('with vitest', async () => {
    const program = file(`import { join } from 'bus1-bridge';
      ${CLOCK}
      const bus = await join();
      await bus.proxy(Clock, 'org.example.Clock', '/').methods.Now();
      bus.close();`);
    const code = `import { spawn } from 'node:child_process';\n${CLOCK}\n${sample(2)}`;
    file(code.replace('program.js', program), 'clock.test.mjs');
    file('export default { test: { include: ["*.test.mjs"] } };', 'vitest.config.mjs');
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
    const words = ['run', '--root', folder, '--reporter=json'];
    const result = await output(process.execPath, [vitest, ...words], { cwd: folder });
    expect(JSON.parse(result)).toMatchObject({ numPassedTests: 1, numFailedTests: 0 });
  });

  test('with node:test', async () => {
    const code = `import { TestBus } from 'bus1-bridge/testing';\n${sample(3)}
      void test('there is a bus', async () => void (await testBus.connect()));`;
    const words = ['--test', '--test-reporter=tap', file(code)];
    expect(await output(process.execPath, words, { cwd: folder })).toMatch(/^# pass 1$/m);
  });

  test('with jest', async () => {
    file(`const objects = {};\n${sample(4)}`, 'setup.mjs');
    const code = `const { default: setUp } = await import('./setup.mjs');
      await setUp();
      console.log(process.env.DBUS_SYSTEM_BUS_ADDRESS.startsWith('unix:path='));
      await globalThis.stopTestBus();`;
    expect(await printed(code)).toBe('true\n');
  });
});
