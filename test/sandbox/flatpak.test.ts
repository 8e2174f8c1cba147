// A real Flatpak application, in its own sandbox, whose bus is ours: with `bus1-bridge sandbox` in the place of
// xdg-dbus-proxy it sees and reaches the same, and is known by the same `.flatpak-info`, by which portals tell whose
// application it is.
import { spawnSync } from 'node:child_process';
import { copyFileSync, chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join as joinPath } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { implement, join, type Bus, type Call } from '#bridge/client/index.js';
import { openFolder } from '../support/bus-command.js';
import { describeWith, needs, startBus, type RunningBus } from '../support/bus.js';
import { skipBecause } from '../support/software.js';
import { type Environment, output, run } from '../support/process.js';
import { PROXIES, type ProxyKind } from './front.js';

const RUNTIME = 'org.bus1.Platform';
const APPLICATION = 'org.bus1.Application';
const BRANCH = 'master';
const TALK = 'org.bus1.Talk';
const HIDDEN = 'org.bus1.Hidden';
const DRIVER = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};
const Service = {
  name: 'org.bus1.Service',
  methods: { WhoAmI: { in: '', out: 's' } },
  signals: {},
  properties: {},
} as const;

/** Whether the kernel lets programs make sandboxes, which containers often do not. */
const canSandbox =
  spawnSync('bwrap', ['--ro-bind', '/', '/', '--unshare-all', 'true'], { stdio: 'ignore' })
    .status === 0;

/** An installation of its own, with the smallest runtime and an application that runs what it is told. */
class Installation {
  readonly folder = openFolder('flatpak-');
  readonly env: Environment;

  constructor(bus: RunningBus) {
    const folders = {
      HOME: 'home',
      XDG_DATA_HOME: 'data',
      XDG_CACHE_HOME: 'cache',
      XDG_CONFIG_HOME: 'config',
      XDG_RUNTIME_DIR: 'run',
      FLATPAK_USER_DIR: 'user',
      FLATPAK_SYSTEM_DIR: 'system',
    };
    const paths = Object.entries(folders).map(([name, folder]) => [name, this.path(folder)]);
    for (const [, path] of paths) mkdirSync(path, { mode: 0o700 });
    this.env = { ...bus.env, ...Object.fromEntries(paths), GSETTINGS_BACKEND: 'memory' };
  }

  path(...names: string[]): string {
    return joinPath(this.folder, ...names);
  }

  async flatpak(...words: string[]): Promise<string> {
    return output('flatpak', words, { env: this.env, cwd: this.folder });
  }

  async build(): Promise<void> {
    await this.buildRuntime();
    await this.flatpak(
      '--user',
      'remote-add',
      '--no-gpg-verify',
      'here',
      `file://${this.path('repo')}`,
    );
    await this.flatpak('--user', 'install', '-y', '--noninteractive', 'here', RUNTIME);
    await this.flatpak('build-init', 'application', APPLICATION, RUNTIME, RUNTIME, BRANCH);
    mkdirSync(this.path('application/files/bin'), { recursive: true });
    writeFileSync(this.path('application/files/bin/start'), '#!/bin/sh\nexec "$@"\n', {
      mode: 0o755,
    });
    await this.flatpak('build-finish', 'application', '--command=start', `--talk-name=${TALK}`);
    await this.publish('application');
    await this.flatpak('--user', 'install', '-y', '--noninteractive', 'here', APPLICATION);
  }

  private async buildRuntime(): Promise<void> {
    const arch = (await this.flatpak('--default-arch')).trim();
    const ref = `${RUNTIME}/${arch}/${BRANCH}`;
    for (const folder of ['usr/bin', 'usr/lib', 'usr/lib64', 'usr/etc', 'files']) {
      mkdirSync(this.path('runtime', folder), { recursive: true });
    }
    const metadata = `[Runtime]\nname=${RUNTIME}\nruntime=${ref}\nsdk=${ref}\n`;
    writeFileSync(this.path('runtime/metadata'), metadata);
    for (const program of ['/bin/sh', '/usr/bin/dbus-send']) await this.install(program);
    await this.publish('runtime', '--runtime');
  }

  /** A program with its libraries. */
  private async install(program: string): Promise<void> {
    copyFileSync(program, this.path('runtime/usr/bin', basename(program)));
    const libraries = (await output('ldd', [program])).match(/\/lib\S*/gu) ?? [];
    for (const library of libraries) {
      const folder = library.startsWith('/lib64/') ? 'lib64' : 'lib';
      copyFileSync(library, this.path('runtime/usr', folder, basename(library)));
    }
  }

  private async publish(folder: string, ...options: string[]): Promise<void> {
    await this.flatpak('build-export', '--disable-sandbox', ...options, 'repo', folder, BRANCH);
    await this.flatpak('build-update-repo', 'repo');
  }

  /** What dbus-send says inside, with numbers that differ from run to run left out. */
  async send(kind: ProxyKind, ...words: string[]): Promise<string> {
    const proxy = this.path('proxy');
    const command = PROXIES[kind].map((word) => `'${word}'`).join(' ');
    writeFileSync(proxy, `#!/bin/sh\nexec ${command} "$@"\n`);
    chmodSync(proxy, 0o755);
    const args = [
      'run',
      '--user',
      APPLICATION,
      'dbus-send',
      '--session',
      '--print-reply',
      ...words,
    ];
    const env = { ...this.env, FLATPAK_DBUSPROXY: proxy };
    const { stdout, stderr } = await run('flatpak', args, { env, cwd: this.folder });
    return (stdout + stderr)
      .replaceAll(/:1\.\d+/gu, ':1.N')
      .replaceAll(/(time|serial)=[\d.]+/gu, '$1');
  }
}

describeWith([needs('flatpak', 'flatpak')], 'a Flatpak application', () => {
  let bus: RunningBus;
  let service: Bus;
  let installation: Installation;

  beforeAll(async () => {
    bus = await startBus();
    service = await join({ address: bus.address });
    if (!canSandbox) return;
    installation = new Installation(bus);
    await installation.build();
    const methods = {
      async WhoAmI({ sender }: Call): Promise<string> {
        const ask = {
          ...DRIVER,
          member: 'GetConnectionUnixProcessID',
          signature: 's',
          body: [sender],
        };
        const [pid] = (await service.call(ask)).body as [number];
        return /^name=.*/mu.exec(readFileSync(`/proc/${pid}/root/.flatpak-info`, 'utf8'))![0];
      },
    };
    service.serve('/', implement(Service, { methods }));
    for (const name of [TALK, HIDDEN]) await service.requestName(name);
  }, 120_000);
  afterAll(async () => {
    service.close();
    await bus.stop();
  });

  const dest = (name: string): string => `--dest=${name}`;
  test.for([
    ['lists names', [dest(DRIVER.destination), '/', `${DRIVER.interface}.ListNames`], TALK],
    [
      'calls what it may talk to',
      [dest(TALK), '/', 'org.bus1.Service.WhoAmI'],
      `name=${APPLICATION}`,
    ],
    ['reaches nobody else', [dest(HIDDEN), '/', 'org.bus1.Service.WhoAmI'], 'ServiceUnknown'],
  ] as const)('%s', async ([_title, words, text], context) => {
    if (!canSandbox) skipBecause(context, 'bubblewrap may not make namespaces here');
    const theirs = await installation.send('xdg-dbus-proxy', ...words);
    const ours = await installation.send('bus1-bridge sandbox', ...words);
    expect(theirs).toContain(text);
    expect(theirs).not.toContain(`"${HIDDEN}"`);
    expect(ours).toBe(theirs);
  });
});
