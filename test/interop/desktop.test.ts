// The stock session.conf, and desktop software that the bus starts when somebody calls it.
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { MessageBus } from 'dbus-next';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openFolder } from '../support/bus-command.js';
import { type RunningBus, output, start, startBus } from '../support/bus.js';
import { callBus, connect, listNames } from '../support/names.js';
import type { Environment } from '../support/process.js';
import { PYTHON, describeWith, needs, needsFile, needsPythonModule } from '../support/software.js';

const SESSION_CONFIG = '/usr/share/dbus-1/session.conf';
const ACCESSIBILITY_CONFIG = '/usr/share/defaults/at-spi2/accessibility.conf';
const REGISTERED_EVENTS = [
  '--dest=org.a11y.atspi.Registry',
  '--object-path=/org/a11y/atspi/registry',
  '--method=org.a11y.atspi.Registry.GetRegisteredEvents',
];

/** A bus with programs that start on it, and a client of its own that has started none. */
interface Desktop {
  bus: RunningBus;
  client: MessageBus;
  stop(): Promise<void>;
}

/** No program on it finds the settings of whoever runs the tests. Services: file name and text. */
async function startDesktop(services: Record<string, string> = {}): Promise<Desktop> {
  const folder = openFolder('desktop-');
  const env: Environment = {
    HOME: folder,
    XDG_RUNTIME_DIR: join(folder, 'run'),
    XDG_DATA_HOME: join(folder, 'data'),
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    GSETTINGS_BACKEND: 'dconf',
  };
  mkdirSync(join(folder, 'run'), { mode: 0o700 });
  const serviceFolder = join(folder, 'data/dbus-1/services');
  mkdirSync(serviceFolder, { recursive: true });
  for (const [name, text] of Object.entries(services)) {
    writeFileSync(join(serviceFolder, name), text);
  }
  const bus = await startBus({ config: SESSION_CONFIG, env });
  const client = await connect(bus.address);
  return {
    bus,
    client,
    stop: async () => {
      client.disconnect();
      await bus.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface StartedProgram {
  program: string;
  environment: string[];
}

/** The program behind a name, and the environment that it was started with. */
async function behind(name: string, client: MessageBus): Promise<StartedProgram> {
  const [pid] = await callBus(client, 'GetConnectionUnixProcessID', 's', [name]);
  return {
    program: readlinkSync(`/proc/${pid}/exe`),
    environment: readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0'),
  };
}

const startedBy = ({ address }: RunningBus): unknown =>
  expect.arrayContaining([
    `DBUS_STARTER_ADDRESS=${address}`,
    'DBUS_STARTER_BUS_TYPE=session',
    `DBUS_SESSION_BUS_ADDRESS=${address}`,
  ]);

/** GIO's module for dconf; its folder has the name of an architecture. */
function dconfModule(): string {
  const modules = readdirSync('/usr/lib').map((name) => `/usr/lib/${name}/gio/modules`);
  const files = modules.map((folder) => join(folder, 'libdconfsettings.so'));
  return files.find((file) => existsSync(file)) ?? 'libdconfsettings.so';
}

const COMMON = [
  needsFile(SESSION_CONFIG, 'dbus-session-bus-common'),
  needs('gdbus', 'libglib2.0-bin'),
];

const SETTINGS = [
  needs('gsettings', 'libglib2.0-bin'),
  needs('/usr/libexec/dconf-service', 'dconf-service'),
  needsFile(dconfModule(), 'dconf-gsettings-backend'),
  needsFile(
    '/usr/share/glib-2.0/schemas/org.gnome.desktop.interface.gschema.xml',
    'gsettings-desktop-schemas',
  ),
];

describeWith([...COMMON, ...SETTINGS], 'gsettings', () => {
  const NAME = 'ca.desrt.dconf';
  const KEY = ['org.gnome.desktop.interface', 'clock-format'];
  let desktop: Desktop;
  beforeAll(async () => {
    desktop = await startDesktop();
  });
  afterAll(() => desktop.stop());
  const gsettings = (...words: string[]) => output('gsettings', words, { env: desktop.bus.env });

  test('what is set is stored by dconf-service, which nobody but the bus has started', async () => {
    const { bus, client } = desktop;
    await expect(listNames(client)).resolves.not.toContain(NAME);
    await gsettings('set', ...KEY, '12h');
    await expect(behind(NAME, client)).resolves.toEqual({
      program: '/usr/libexec/dconf-service',
      environment: startedBy(bus),
    });
  });

  test('another process gets it', async () => {
    await expect(gsettings('get', ...KEY)).resolves.toBe("'12h'\n");
    await gsettings('set', ...KEY, '24h');
    await expect(gsettings('get', ...KEY)).resolves.toBe("'24h'\n");
  });

  test('the same service has served all of them', async () => {
    const { client } = desktop;
    const before = await callBus(client, 'GetNameOwner', 's', [NAME]);
    await gsettings('reset', ...KEY);
    await expect(callBus(client, 'GetNameOwner', 's', [NAME])).resolves.toEqual(before);
  });
});

const NOTIFICATION_SOFTWARE = [
  needs(PYTHON, 'python3'),
  needsPythonModule('dbusmock', 'python3-dbusmock'),
  needs('notify-send', 'libnotify-bin'),
];

describeWith([...COMMON, ...NOTIFICATION_SOFTWARE], 'a notification daemon', () => {
  const NAME = 'org.freedesktop.Notifications';
  const PATH = '/org/freedesktop/Notifications';
  const SERVICE_FILE = `[D-BUS Service]
Name=${NAME}
Exec=${PYTHON} -m dbusmock --template notification_daemon
`;
  let desktop: Desktop;
  beforeAll(async () => {
    desktop = await startDesktop({ [`${NAME}.service`]: SERVICE_FILE });
  });
  afterAll(() => desktop.stop());
  const gdbus = (method: string, ...args: string[]) => {
    const words = ['call', '--session', '--dest', NAME, '--object-path', PATH];
    return output('gdbus', [...words, '--method', method, ...args], { env: desktop.bus.env });
  };

  test('is started by the first notification, which it receives', async () => {
    const { bus, client } = desktop;
    await expect(listNames(client)).resolves.not.toContain(NAME);
    const words = ['--print-id', '--app-name=a test', 'the summary', 'the body'];
    await expect(output('notify-send', words, { env: bus.env })).resolves.toBe('1\n');
    const received = await gdbus('org.freedesktop.DBus.Mock.GetMethodCalls', 'Notify');
    expect(received).toContain("<'a test'>, <uint32 0>, <''>, <'the summary'>, <'the body'>");
    const { environment } = await behind(NAME, client);
    expect(environment).toEqual(startedBy(bus));
  });

  test('tells who waits that a notification was closed', async () => {
    const { client } = desktop;
    const { env } = desktop.bus;
    const id = (await output('notify-send', ['--print-id', 'once'], { env })).trim();
    const notified = new Promise<unknown>((resolve) => {
      client.on('message', ({ member, body }) => {
        if (member === 'MethodCalled') resolve(body[0]);
      });
    });
    await callBus(client, 'AddMatch', 's', ["type='signal',member='MethodCalled',arg0='Notify'"]);
    const waiting = start('notify-send', ['--wait', `--replace-id=${id}`, 'again'], { env });
    await notified;
    await gdbus(`${NAME}.CloseNotification`, id);
    await expect(waiting.ended).resolves.toMatchObject({ code: 0 });
  });
});

const ACCESSIBILITY = [
  needs('/usr/libexec/at-spi-bus-launcher', 'at-spi2-core'),
  needs('/usr/libexec/at-spi2-registryd', 'at-spi2-core'),
  needsFile(ACCESSIBILITY_CONFIG, 'at-spi2-core'),
];

describeWith([...COMMON, ...ACCESSIBILITY], 'at-spi2', () => {
  let desktop: Desktop;
  beforeAll(async () => {
    desktop = await startDesktop();
  });
  afterAll(() => desktop.stop());

  // The launcher starts /usr/bin/dbus-daemon for its own bus, whatever is in PATH.
  test('the launcher is started and leads to its bus, where the registry answers', async () => {
    const { bus, client } = desktop;
    const object = ['--dest=org.a11y.Bus', '--object-path=/org/a11y/bus'];
    const ask = ['call', '--session', ...object, '--method=org.a11y.Bus.GetAddress'];
    const answer = await output('gdbus', ask, { env: bus.env });
    await expect(behind('org.a11y.Bus', client)).resolves.toEqual({
      program: '/usr/libexec/at-spi-bus-launcher',
      environment: startedBy(bus),
    });
    const [, address] = /^\('(unix:[^']+)',\)$/m.exec(answer) ?? [];
    const call = ['call', '--address', address, ...REGISTERED_EVENTS];
    await expect(output('gdbus', call, { env: bus.env })).resolves.toContain('(@a(ss) [],)');
  });

  test('the registry is started on a bus with the configuration of the launcher', async () => {
    const folder = openFolder('accessibility-');
    const address = `unix:path=${folder}/bus`;
    const env = { ...desktop.bus.env, AT_SPI_BUS_ADDRESS: address };
    const args = [`--address=${address}`];
    const bus = await startBus({ config: ACCESSIBILITY_CONFIG, args, env });
    const call = ['call', '--address', address, ...REGISTERED_EVENTS];
    await expect(output('gdbus', call, { env })).resolves.toContain('(@a(ss) [],)');
    const client = await connect(address);
    const { program } = await behind('org.a11y.atspi.Registry', client);
    expect(program).toBe('/usr/libexec/at-spi2-registryd');
    client.disconnect();
    await bus.stop();
    rmSync(folder, { recursive: true, force: true });
  });
});
