// Programs that tell each other unique names, or make object paths of them: gio, libportal, GApplication.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import dbus from 'dbus-next';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openFolder } from '../support/bus-command.js';

import { type Environment, type Program, output, run, start } from '../support/process.js';
import {
  describeWith,
  needs,
  needsFile,
  needsPythonModule,
  needsTypelib,
  PYTHON,
} from '../support/software.js';
import { PortalBackend } from '../translation/shipped/portal-backend.js';
import { Bridge } from './bridge.js';
import { OLD_BUSES, OLD_BUS_SOFTWARE, OldBus } from './old-bus.js';
import { waitForName } from './wait-for-name.js';

const PYTHON_FOLDER = join(import.meta.dirname, 'python');
const DESKTOP = 'org.freedesktop.portal.Desktop';
const STORE = 'org.freedesktop.impl.portal.PermissionStore';
const DOCUMENTS = 'org.freedesktop.portal.Documents';
const GVFS = 'org.gtk.vfs.Daemon';
const IMPORTED = 'org.example.Imported';
const EXPORTED = 'org.example.Exported';
const FILE = 'file:///etc/hostname';

const GI = [needs(PYTHON, 'python3'), needsPythonModule('gi', 'python3-gi')];
const GVFS_SOFTWARE = [
  /* the module of GIO, whose path contains the architecture */
  needsFile('/usr/share/doc/gvfs/copyright', 'gvfs'),
  needs('/usr/libexec/gvfsd', 'gvfs-daemons'),
  needs('/usr/libexec/gvfsd-trash', 'gvfs-daemons'),
  needsFile('/usr/share/gvfs/mounts/trash.mount', 'gvfs-daemons'),
  needs('gio', 'libglib2.0-bin'),
];
const PORTAL_SOFTWARE = [
  ...GI,
  needs('/usr/libexec/xdg-desktop-portal', 'xdg-desktop-portal'),
  needsFile('/dev/fuse', 'fuse3'),
  needsTypelib('Xdp-1.0', 'gir1.2-xdp-1.0'),
];

/** A bridge beside a bus, and what was started on either, which all ends together. */
class Sides {
  readonly old: OldBus;
  readonly bridge: Bridge;
  readonly folder = openFolder('unmodified-');
  readonly #programs: Program[] = [];

  private constructor(old: OldBus, bridge: Bridge) {
    this.old = old;
    this.bridge = bridge;
  }

  static async start(
    kind: (typeof OLD_BUSES)[number],
    imports: readonly string[],
    exports: readonly string[],
  ): Promise<Sides> {
    const old = await OldBus.start(kind);
    return new Sides(old, await Bridge.attach(old, { imports, exports }));
  }

  /** Programs of both sides have one home: what they do to files is no business of a bus. */
  env({ address }: { readonly address: string }, more: Environment = {}): Environment {
    const own = { HOME: this.folder, XDG_RUNTIME_DIR: this.folder };
    return { ...this.old.env, ...own, DBUS_SESSION_BUS_ADDRESS: address, ...more };
  }

  async service(
    on: { readonly address: string },
    name: string,
    [program, ...args]: readonly string[],
    more: Environment = {},
  ): Promise<Program> {
    const service = start(program, args, { env: this.env(on, more) });
    this.#programs.push(service);
    await waitForName(on.address, name);
    return service;
  }

  /** What a service has started, as gvfsd has, holds its output, and may end with the bus only. */
  async stop(): Promise<void> {
    const ends = this.#programs.toReversed().map((program) => program.stop());
    await this.bridge.stop();
    await this.old.stop();
    await Promise.all(ends);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

describe.each(OLD_BUSES)('beside %s', (kind) => {
  const software = OLD_BUS_SOFTWARE[kind];

  describeWith([...software, ...GVFS_SOFTWARE], 'gio', () => {
    let sides: Sides;
    beforeAll(async () => {
      sides = await Sides.start(kind, ['org.gtk.vfs.*'], []);
      await sides.service(sides.old, GVFS, ['/usr/libexec/gvfsd', '--no-fuse']);
    });
    afterAll(async () => await sides.stop());

    test('puts a file into the trash and finds it there: gvfsd tells who has the trash by a unique name', async () => {
      const env = sides.env(sides.bridge);
      const file = join(sides.folder, 'unwanted');
      writeFileSync(file, 'text');
      await output('gio', ['trash', file], { env });
      await expect(output('gio', ['list', 'trash:///'], { env })).resolves.toBe('unwanted\n');
      await output('gio', ['trash', '--empty'], { env });
      await expect(output('gio', ['list', 'trash:///'], { env })).resolves.toBe('');
    });
  });

  describe.each([
    { where: 'there, and imported', imports: [DESKTOP], exports: [] },
    { where: 'on the bridge, and exported', imports: [], exports: [DESKTOP] },
  ])('the portals $where', ({ imports, exports }) => {
    describeWith([...software, ...PORTAL_SOFTWARE], 'libportal', () => {
      let sides: Sides;
      let backend: PortalBackend;
      beforeAll(async () => {
        sides = await Sides.start(kind, imports, exports);
        const home = imports.length > 0 ? sides.old : sides.bridge;
        backend = await PortalBackend.start(home.address, join(sides.folder, 'portals'));
        await sides.service(home, STORE, ['/usr/libexec/xdg-permission-store']);
        await sides.service(home, DOCUMENTS, ['/usr/libexec/xdg-document-portal']);
        await sides.service(home, DESKTOP, ['/usr/libexec/xdg-desktop-portal'], {
          XDG_DESKTOP_PORTAL_DIR: join(sides.folder, 'portals'),
          XDG_CURRENT_DESKTOP: 'test',
          DBUS_SYSTEM_BUS_ADDRESS: home.address,
        });
      });
      afterAll(async () => {
        backend.stop();
        await sides.stop();
      });

      test('asks for a file, inhibits, monitors the session, and thinks better of it', async () => {
        const away = imports.length > 0 ? sides.bridge : sides.old;
        const script = join(PYTHON_FOLDER, 'portal_client.py');
        const client = start(PYTHON, [script], { env: sides.env(away) });
        const uris = { uris: new dbus.Variant('as', [FILE]) };
        backend.answer(await backend.called('OpenFile'), uris);
        await expect(client.waitForLine(/^open-file/)).resolves.toBe(`open-file ${FILE}`);
        backend.answer(await backend.called('Inhibit'));
        await expect(client.waitForLine(/^inhibit/)).resolves.toBe('inhibit True');
        backend.answer(await backend.called('CreateMonitor'));
        await expect(client.waitForLine(/^monitor/)).resolves.toBe('monitor True');
        await backend.called('OpenFile');
        /* the path that the client has predicted is the one that the portal knows */
        backend.answer(await backend.called('Close'));
        await expect(client.waitForLine(/^cancelled/)).resolves.toMatch(/cancelled/);
        await expect(client.ended).resolves.toMatchObject({ code: 0 });
      });
    });
  });

  describeWith([...software, ...GI], 'a GApplication that runs', () => {
    let sides: Sides;
    beforeAll(async () => {
      sides = await Sides.start(kind, [IMPORTED], [EXPORTED]);
    });
    afterAll(async () => await sides.stop());

    const words = (name: string): string[] => [join(PYTHON_FOLDER, 'application.py'), name];

    test.each([
      { where: 'there, with a name that is imported', name: IMPORTED, isThere: true },
      { where: 'there, with a name that is exported', name: EXPORTED, isThere: true },
      { where: 'on the bridge, with a name that is exported', name: EXPORTED, isThere: false },
    ])(
      '$where, is the one that does what it is started for again from the other side',
      async ({ name, isThere }) => {
        const [home, away] = isThere ? [sides.old, sides.bridge] : [sides.bridge, sides.old];
        const application = await sides.service(home, name, [PYTHON, ...words(name)]);
        const again = (...args: string[]) =>
          run(PYTHON, [...words(name), ...args], { env: sides.env(away) });
        await expect(again('open', 'a')).resolves.toMatchObject({
          code: 7,
          stdout: 'remote\ndone: open a\n',
        });
        await expect(again('greet', 'you')).resolves.toMatchObject({ code: 0, stdout: 'remote\n' });
        await expect(again('quit')).resolves.toMatchObject({ code: 7 });
        const { stdout } = await application.ended;
        expect(stdout).toBe(
          'primary\nasked locally\ndone: \nasked remotely open a\ngreet you\nasked remotely quit\n',
        );
      },
    );
  });
});
