// `bus1-bridge mappings`: writing and checking, against software that is not ours.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dbus from 'dbus-next';
import { afterAll, describe, expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';
import { connect } from '../support/names.js';
import { run } from '../support/process.js';
import { describeWith, needs } from '../support/software.js';
import { mappingOf } from './mapping-text.js';
import { awaitObject, MOCK_SOFTWARE, call, mockCommand, withService } from './sources.js';

const PROGRAM = join(ROOT, 'dist/bridge/cli/bus1-bridge.js');
const folder = mkdtempSync(join(tmpdir(), 'mappings-'));
afterAll(() => rmSync(folder, { recursive: true }));

const mappings = (...args: string[]) => run(process.execPath, [PROGRAM, 'mappings', ...args]);

const GOOD = `service: Things
bus: session
names: { org.example.Things: root }
objects: { root: { path: /org/example, interfaces: [org.example.Things] } }
`;

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('mappings check', () => {
  test('has nothing to say about what is shipped', async () => {
    expect(await mappings('check', '--strict')).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test('says where what is wrong, in all files', async () => {
    const paths = [file('one.yaml', `${GOOD}nmaes: {}`), file('two.yaml', 'service: []')];
    const { code, stdout } = await mappings('check', ...paths, join(folder, 'none.yaml'));
    expect(code).toBe(1);
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toBe(
      `${paths[0]}:5:1: there is no key "nmaes" here; did you mean "names"? [error, unknown-key]`,
    );
    expect(lines.some((line) => line.startsWith(`${paths[1]}:1:10: service: `))).toBe(true);
    expect(lines.at(-1)).toMatch(
      /none\.yaml:1:1: cannot read "[^"]*none\.yaml": ENOENT \(no such file or directory\) \[error, unreadable-file\]$/,
    );
  });

  test('compares files with each other', async () => {
    const one = file('a.yaml', GOOD);
    const { code, stdout } = await mappings('check', one, file('b.yaml', GOOD));
    expect(code).toBe(1);
    expect(stdout).toContain(
      `org.example.Things is mapped at ${one}:3 already [error, duplicate-name]`,
    );
  });

  test('takes advice for no error, unless it is strict', async () => {
    const overlapping = GOOD.replace('example.Things: root', 'example.*: root');
    const paths = [file('a.yaml', GOOD), file('b.yaml', overlapping)];
    expect((await mappings('check', ...paths)).code).toBe(0);
    expect((await mappings('check', '--strict', ...paths)).code).toBe(1);
  });

  test('of a bus that is not there', async () => {
    const { code, stderr } = await mappings('check', '--bus', `unix:path=${folder}/none`);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('cannot reach the bus at unix:path='),
    ]);
    const wrong = await mappings('check', '--bus', 'nonsense');
    expect([wrong.code, wrong.stderr]).toEqual([
      1,
      expect.stringContaining("a bus is 'session', 'system' or a D-Bus address"),
    ]);
  });
});

describeWith(MOCK_SOFTWARE, 'a mock of logind', () => {
  const NAME = 'org.freedesktop.login1';
  const PATH = '/org/freedesktop/login1';
  const add = (id: string, user: string, uid: number) => ({
    interface: 'org.freedesktop.DBus.Mock',
    member: 'AddSession',
    signature: 'ssusb',
    body: [id, 'seat0', uid, user, true],
  });

  test('has a mapping written that holds', async () => {
    await withService(mockCommand('logind'), NAME, async (bus, address) => {
      await call(bus, NAME, PATH, add('c1', 'joe', 1000));
      await call(bus, NAME, PATH, add('c2', 'jane', 1001));
      const { code, stdout } = await mappings('init', '--bus', address, NAME);
      expect(code).toBe(0);
      const mapping = mappingOf(stdout);
      expect(mapping.names.map(({ pattern, object }) => [pattern, object.name])).toEqual([
        [NAME, 'manager'],
      ]);
      const paths = [...mapping.objects.values()].map((kind) => [kind.name, kind.paths[0].text]);
      expect(Object.fromEntries(paths)).toEqual({
        manager: PATH,
        seat: `${PATH}/seat/seat0`,
        session: `${PATH}/session/{session}`,
        user: `${PATH}/user/{user}`,
      });
      const manager = mapping.interfaces.get('org.freedesktop.login1.Manager')!;
      const places = manager.methods.get('ListSessions')!.out;
      expect(places.map(({ text, kinds }) => [text, kinds[0].name])).toEqual([
        ['0.each.4', 'session'],
      ]);

      const path = file('drafted.yaml', stdout);
      const checked = await mappings('check', '--strict', '--bus', address, path);
      expect(checked).toMatchObject({ code: 0, stdout: '' });
    });
  });

  test('is compared with a mapping', async () => {
    await withService(mockCommand('logind'), NAME, async (_, address) => {
      const wrong = readFileSync(join(ROOT, 'mappings/logind.yaml'), 'utf8').replace(
        'GetSession: { out: { 0: session } }',
        'GetSession: { in: { 0: session } }',
      );
      const path = file('wrong.yaml', wrong);
      const { code, stdout } = await mappings('check', '--bus', address, path);
      expect(code).toBe(1);
      expect(stdout).toContain(
        'argument 0: in a value of type s that is s, not an object path [error, wrong-type]',
      );
    });
  });
});

const MEMBERS = 'org.example.Library1';

class Library extends dbus.interface.Interface {
  Find(title: string): string {
    return `/org/example/Library/books/${title}`;
  }
  BookRemoved(path: string): string {
    return path;
  }
  Unrelated(path: string): string {
    return path;
  }
}
Library.configureMembers({
  methods: {
    Find: { inSignature: 's', outSignature: 'o' },
    Unrelated: { inSignature: 'o', outSignature: '' },
  },
  signals: { BookRemoved: { signature: 'o' } },
  properties: {},
});

class Book extends dbus.interface.Interface {
  Open(): void {}
}
Book.configureMembers({ methods: { Open: {} } });

const PLAYER = 'org.mpris.MediaPlayer2.playerctld';

describeWith(
  [needs('dbus-daemon', 'dbus-daemon'), needs('playerctld', 'playerctl')],
  'several services',
  () => {
    test('have a file written for each, which is never overwritten', async () => {
      await withService(['playerctld'], PLAYER, async (watcher, address) => {
        await awaitObject(watcher, PLAYER, '/org/mpris/MediaPlayer2');
        const bus = await connect(address);
        bus.export('/org/example/Library', new Library(MEMBERS));
        for (const title of ['one', 'two']) {
          bus.export(`/org/example/Library/books/${title}`, new Book('org.example.Book1'));
        }
        await bus.requestName('org.example.Library', 0);
        const directory = join(folder, 'drafts');
        const names = ['org.example.Library', PLAYER];
        const init = () => mappings('init', '--bus', address, '--output', directory, ...names);
        expect(await init()).toMatchObject({ code: 0, stderr: '' });
        expect(readdirSync(directory)).toEqual(names.map((name) => `${name}.yaml`));

        const text = readFileSync(join(directory, 'org.example.Library.yaml'), 'utf8');
        expect(text).toBe(`# org.example.Library, from its introspection data.
service: org.example.Library
bus: session
names:
  org.example.Library: library
objects:
  library:
    path: /org/example/Library
    interfaces: [org.example.Library1]
  # 2 of these existed.
  book:
    path: /org/example/Library/books/{book}
    interfaces: [org.example.Book1]
interfaces:
  org.example.Library1:
#     methods:
#       Find: { out: { 0: ? } }  # which kind of object?
#       Unrelated: { in: { 0: ? } }  # which kind of object?
    signals:
      BookRemoved: { args: { 0: book }, ends: 0 }
`);
        expect(mappingOf(text).objects.size).toBe(2);

        const again = await init();
        const left = names.map(
          (name) => `bus1-bridge: ${directory}/${name}.yaml exists, and is left as it is\n`,
        );
        expect(again).toMatchObject({ code: 1, stderr: left.join('') });
        bus.disconnect();
      });
    });

    test('are those of services, not of bridges; what one refuses is told once', async () => {
      await withService(['playerctld'], PLAYER, async (watcher, address) => {
        await awaitObject(watcher, PLAYER, '/org/mpris/MediaPlayer2');
        const bus = await connect(address);
        await bus.requestName('org.bus1.Uplink.b0', 0);
        const all = await mappings('init', '--bus', address, '--running');
        expect(all).toMatchObject({ code: 0, stderr: '' });
        const { stderr } = await mappings('init', '--bus', address, 'org.example.None');
        expect(stderr).toMatch(/^bus1-bridge: org\.example\.None \/: The name .*\n$/);
        bus.disconnect();
      });
    });

    test('of all names on the bus, the ones that cannot be asked are reported', async () => {
      await withService(['playerctld'], PLAYER, async (watcher, address) => {
        await awaitObject(watcher, PLAYER, '/org/mpris/MediaPlayer2');
        const bus = await connect(address);
        await bus.requestName('org.example.Silent', 0);
        const { code, stdout, stderr } = await mappings(
          'init',
          '--bus',
          address,
          'org.example.Silent',
          PLAYER,
        );
        expect(code).toBe(1);
        expect(stderr).toContain('org.example.Silent');
        expect(stdout).toContain(`${PLAYER}: media_player`);
        bus.disconnect();
      });
    });
  },
);
