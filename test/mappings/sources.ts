// Where it is written what a real service offers.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import dbus from 'dbus-next';
import { parseIntrospection } from '#bridge/introspection/introspection.js';
import type { IntrospectedNode } from '#bridge/introspection/introspection.js';
import { connect } from '../support/names.js';
import { type Program, output, start } from '../support/process.js';
import { PYTHON, type Software, needs, needsFile, needsPythonModule } from '../support/software.js';

const INTERFACE_FILES = '/usr/share/dbus-1/interfaces';

/** Something that tells what a service offers, and the software that this takes. */
export interface Source {
  readonly software: readonly Software[];
  read(): Promise<IntrospectedNode[]>;
}

/** The interface files that a package installs; `proof` is one of them. */
export function interfaceFiles(pattern: RegExp, debianPackage: string, proof: string): Source {
  return {
    software: [needsFile(join(INTERFACE_FILES, proof), debianPackage)],
    read: async () => installedInterfaces(pattern),
  };
}

/** The interface files with such names that are on this machine, if any. */
export function installedInterfaces(pattern: RegExp): IntrospectedNode[] {
  const names = existsSync(INTERFACE_FILES) ? readdirSync(INTERFACE_FILES) : [];
  return names
    .filter((name) => pattern.test(name))
    .map((name) => parseIntrospection(readFileSync(join(INTERFACE_FILES, name), 'utf8'), name));
}

/** What a service that cannot be started in a test has once told, in a file beside the tests. */
export function recorded(name: string): Source {
  const path = join(import.meta.dirname, 'interfaces', name);
  return { software: [], read: async () => [parseIntrospection(readFileSync(path, 'utf8'), path)] };
}

/** A daemon of systemd, which prints its introspection data without being started. */
export function systemdDaemon(path: string): Source {
  const read = async () => {
    const list = await output(path, ['--bus-introspect=list']);
    const interfaces = list
      .trim()
      .split('\n')
      .map((line) => line.split('\t')[1]);
    const texts = interfaces.map((name) => output(path, [`--bus-introspect=${name}`]));
    return (await Promise.all(texts)).map((xml) => parseIntrospection(xml, path));
  };
  return { software: [needs(path, 'systemd')], read };
}

/** A program that has the introspection data of its interfaces in it as text. */
export function textInProgram(path: string, debianPackage: string): Source {
  const read = async () => {
    const text = readFileSync(path, 'latin1').replaceAll('\0', '');
    const interfaces = text.match(/<interface name=[^>]*>.*?<\/interface>/gs) ?? [];
    return [parseIntrospection(`<node>${interfaces.join('')}</node>`, path)];
  };
  return { software: [needs(path, debianPackage)], read };
}

interface LiveService {
  readonly command: readonly string[];
  readonly debianPackage: string;
  readonly name: string;
  readonly paths: readonly string[];
}

/** A service that is started on a bus of its own and asked. */
export function liveService({ command, debianPackage, name, paths }: LiveService): Source {
  const read = async () => withService(command, name, (bus) => introspectAll(bus, name, paths));
  return { software: [needs(command[0], debianPackage), DBUS_DAEMON], read };
}

/** A template of python3-dbusmock. */
export interface Mock {
  readonly template: string;
  readonly name: string;
  /** Objects that together have all interfaces. */
  readonly paths: readonly string[];
  /** What makes the mock have objects. */
  readonly objects?: readonly (readonly [path: string, call: Call])[];
}

/** What a mock tells once it has objects. */
export function mock({ template, name, paths, objects = [] }: Mock): Source {
  const read = async () =>
    withService(mockCommand(template), name, async (bus) => {
      for (const [of, what] of objects) await call(bus, name, of, what);
      return introspectAll(bus, name, paths);
    });
  return { software: MOCK_SOFTWARE, read };
}

const DBUS_DAEMON = needs('dbus-daemon', 'dbus-daemon');
export const MOCK_SOFTWARE = [needsPythonModule('dbusmock', 'python3-dbusmock'), DBUS_DAEMON];

export function mockCommand(template: string): string[] {
  return [PYTHON, '-m', 'dbusmock', '--session', '--template', template];
}

const INTROSPECT = { interface: 'org.freedesktop.DBus.Introspectable', member: 'Introspect' };

/** GDBus answers with these where there is no object. */
function isStandard(interfaceName: string): boolean {
  return interfaceName.startsWith('org.freedesktop.DBus.');
}

async function introspectAll(
  bus: dbus.MessageBus,
  name: string,
  paths: readonly string[],
): Promise<IntrospectedNode[]> {
  await Promise.all(paths.map((path) => awaitObject(bus, name, path)));
  return Promise.all(paths.map((path) => introspect(bus, name, path)));
}

/** Some services own their name before they have objects, and nothing tells when they do. */
export async function awaitObject(bus: dbus.MessageBus, name: string, path: string): Promise<void> {
  for (;;) {
    const { interfaces } = await introspect(bus, name, path);
    const own = interfaces.find((one) => !isStandard(one.name));
    if (own === undefined) continue;
    /* GDBus answers Introspect in a thread of its own, between one interface and the next; this is answered, well or
       not, in the thread that makes the object, when it has made it */
    const properties = { interface: 'org.freedesktop.DBus.Properties', member: 'GetAll' };
    await call(bus, name, path, { ...properties, signature: 's', body: [own.name] }).catch(
      () => {},
    );
    return;
  }
}

async function introspect(
  bus: dbus.MessageBus,
  name: string,
  path: string,
): Promise<IntrospectedNode> {
  const [xml] = await call(bus, name, path, INTROSPECT);
  return parseIntrospection(String(xml), name);
}

/** A method call without its destination. */
export interface Call {
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly body?: unknown[];
}

export async function call(
  bus: dbus.MessageBus,
  destination: string,
  path: string,
  what: Call,
): Promise<unknown[]> {
  const reply = await bus.call(new dbus.Message({ destination, path, ...what }));
  return reply!.body;
}

/** A private bus of the reference implementation. */
async function startDaemon(): Promise<{ daemon: Program; address: string }> {
  const daemon = start('dbus-daemon', ['--session', '--nofork', '--print-address=1']);
  return { daemon, address: await daemon.waitForLine(/^unix:/) };
}

/** Starts a service on a private bus, and stops both when `use` is done. */
export async function withService<T>(
  [program, ...args]: readonly string[],
  name: string,
  use: (bus: dbus.MessageBus, address: string) => Promise<T>,
): Promise<T> {
  const { daemon, address } = await startDaemon();
  const bus = await connect(address);
  const owned = nameOwned(bus, name);
  await owned.watching;
  const service = start(program, args, {
    env: { ...process.env, DBUS_SESSION_BUS_ADDRESS: address },
  });
  try {
    await Promise.race([
      owned.arrived,
      service.ended.then(({ stderr }) => Promise.reject(new Error(`${program}: ${stderr}`))),
    ]);
    return await use(bus, address);
  } finally {
    bus.disconnect();
    await service.stop();
    await daemon.stop();
  }
}

function nameOwned(bus: dbus.MessageBus, name: string) {
  const rule = `type='signal',member='NameOwnerChanged',arg0='${name}'`;
  const arrived = new Promise<void>((resolve) => {
    bus.on('message', (message: dbus.Message) => {
      if (message.member === 'NameOwnerChanged' && message.body[0] === name) resolve();
    });
  });
  const watching = call(bus, 'org.freedesktop.DBus', '/org/freedesktop/DBus', {
    interface: 'org.freedesktop.DBus',
    member: 'AddMatch',
    signature: 's',
    body: [rule],
  });
  return { arrived, watching };
}
