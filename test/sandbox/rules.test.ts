// Each rule of xdg-dbus-proxy(1), asked of the real one, of `bus1-bridge sandbox` in its place, and of a bridge, which
// needs no proxy: for a socket that it was given, and by the roles of its own policy.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { messageRule } from '#bridge/sandbox/name-rules.js';
import { MessageType } from '#bridge/wire/types.js';
import { openFolder } from '../support/bus-command.js';
import { describeWith, needs, sessionConfig, startBus } from '../support/bus.js';
import { ErrorReply, RawClient } from '../support/raw-client.js';
import { installService, OLD_BUS_SOFTWARE, OldBus } from '../uplink/old-bus.js';
import { connectTo, Front, type FrontedBus, type ProxyKind } from './front.js';

const SERVICE = 'org.example.Service';
const BELOW = 'org.example.Service.Below';
const OTHER = 'org.example.Serviceother';
const ACTIVATABLE = 'org.example.Activatable';
const CALL = { path: '/a/b', interface: 'org.example.I', member: 'M' };

/** What the parties of one row have: a client behind the proxy, and a service that is not. */
interface Scene {
  readonly client: RawClient;
  readonly service: RawClient;
  readonly serviceName: string;
}

type Probe = (scene: Scene) => unknown;

/** Everything that the client is told, with the names that differ from run to run replaced. */
function outcome(probe: Probe, scene: Scene): unknown {
  try {
    return probe(scene);
  } catch (error) {
    if (!(error instanceof ErrorReply)) throw error;
    /* where the real one only repeats the name, the text of a bridge says which role it is */
    const [text] = error.message.replace(/^role .*/u, error.errorName).split(':');
    return [error.errorName, text];
  }
}

const bus =
  (member: string, name: string | ((scene: Scene) => string), more: unknown[] = []): Probe =>
  (scene) => {
    const body = [typeof name === 'string' ? name : name(scene), ...more];
    const signature = more.length === 0 ? 's' : 'su';
    return scene.client.callBus(member, signature, body).map((value) => typeof value);
  };

const unique = ({ serviceName }: Scene): string => serviceName;

/** Names that are listed, without those of connections. */
const list =
  (member: string): Probe =>
  ({ client, serviceName }) => {
    const [names] = client.callBus(member) as [string[]];
    const own = client.callBus('GetId').length === 1 ? names : [];
    return own
      .filter((name) => !name.startsWith(':') || name === serviceName)
      .map((name) => (name === serviceName ? 'the service' : name))
      .toSorted();
  };

/** A call that the service answers, if it gets it. */
const call =
  (destination: string | ((scene: Scene) => string), fields: Partial<typeof CALL> = {}): Probe =>
  (scene) => {
    const { client, service } = scene;
    const to = typeof destination === 'string' ? destination : destination(scene);
    const serial = client.startCall({ ...CALL, ...fields, destination: to });
    // The bus answers this only when it has dealt with the call.
    client.replyTo(client.startCall({ ...GET_ID }));
    // The same for the service, if it is in another process of the bus.
    service.callBus('GetId');
    for (const message of service.receiveWaiting()) {
      if (message.member === 'M' || message.member === 'N') service.reply(message);
    }
    const answer = client.replyTo(serial);
    return answer.type === MessageType.Error ? answer.errorName : 'answered';
  };

const GET_ID = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
  member: 'GetId',
};

/** A signal of the service to everybody: does the client, which has asked for it, get it? */
const broadcast =
  (fields: Partial<typeof CALL> = {}): Probe =>
  ({ client, service }) => {
    client.callBus('AddMatch', 's', ["interface='org.example.I'"]);
    service.post(MessageType.Signal, { ...CALL, member: 'S', ...fields });
    service.callBus('GetId');
    client.callBus('GetId');
    return client.receiveWaiting().some((each) => each.interface?.startsWith('org.example.I'));
  };

/** Which changes of names the client hears of. */
const changes: Probe = ({ client, service }) => {
  client.callBus('AddMatch', 's', ["member='NameOwnerChanged'"]);
  for (const name of ['org.example.New', 'org.example.Service.New']) {
    service.callBus('RequestName', 'su', [name, 0]);
    service.callBus('ReleaseName', 's', [name]);
  }
  client.callBus('GetId');
  return client
    .receiveWaiting()
    .filter(({ member }) => member === 'NameOwnerChanged')
    .map(({ body }) => body[0]);
};

/** The service lets go of its name: what the name granted stays with the unique name. */
const afterRelease =
  (probe: Probe): Probe =>
  (scene) => {
    scene.service.callBus('ReleaseName', 's', [SERVICE]);
    try {
      return outcome(probe, scene);
    } finally {
      scene.service.callBus('RequestName', 'su', [SERVICE, 0]);
    }
  };

/** The service, of which the client knows nothing, speaks to it first. */
const spokenTo =
  (probe: Probe): Probe =>
  (scene) => {
    const { client, service } = scene;
    const [own] = client.callBus('RequestName', 'su', ['org.example.Client', 0]);
    service.post(MessageType.Signal, { ...CALL, member: 'S', destination: 'org.example.Client' });
    client.receiveSignal('S');
    return [own, outcome(probe, scene)];
  };

const answers =
  (...probes: readonly Probe[]): Probe =>
  (scene) =>
    probes.map((probe) => outcome(probe, scene));

const everyQuestion = (name: string | ((scene: Scene) => string)): Probe =>
  answers(
    bus('NameHasOwner', name),
    bus('GetNameOwner', name),
    bus('GetConnectionUnixProcessID', name),
    bus('GetConnectionUnixUser', name),
    bus('GetConnectionCredentials', name),
    bus('ListQueuedOwners', name),
    call(name),
  );

const ROWS: readonly (readonly [rule: string, options: readonly string[], probe: Probe])[] = [
  ['nothing is granted: nobody is there', [], everyQuestion(SERVICE)],
  ['nothing is granted: nor under a unique name', [], everyQuestion(unique)],
  ['nothing is granted: ListNames', [], list('ListNames')],
  ['nothing is granted: ListActivatableNames', [], list('ListActivatableNames')],
  ['nothing is granted: NameOwnerChanged', [], changes],
  ['nothing is granted: broadcasts', [], broadcast()],
  ['nothing is granted: StartServiceByName', [], bus('StartServiceByName', ACTIVATABLE, [0])],
  ['nothing is granted: the bus itself answers', [], bus('NameHasOwner', 'org.freedesktop.DBus')],
  ['a call that is answered by nobody', [], call('org.example.Nobody')],
  ['SEE: questions', [`--see=${SERVICE}`], everyQuestion(SERVICE)],
  ['SEE: questions about the unique name', [`--see=${SERVICE}`], everyQuestion(unique)],
  ['SEE: ListNames', [`--see=${SERVICE}`], list('ListNames')],
  ['SEE: ListActivatableNames', [`--see=${ACTIVATABLE}`], list('ListActivatableNames')],
  ['SEE: NameOwnerChanged', ['--see=org.example.New'], changes],
  ['SEE: broadcasts', [`--see=${SERVICE}`], broadcast()],
  ['SEE: StartServiceByName', [`--see=${SERVICE}`], bus('StartServiceByName', SERVICE, [0])],
  ['SEE: RequestName', ['--see=org.example.New'], bus('RequestName', 'org.example.New', [0])],
  ['TALK: questions', [`--talk=${SERVICE}`], everyQuestion(SERVICE)],
  ['TALK: questions about the unique name', [`--talk=${SERVICE}`], everyQuestion(unique)],
  ['TALK: broadcasts', [`--talk=${SERVICE}`], broadcast()],
  ['TALK: StartServiceByName', [`--talk=${SERVICE}`], bus('StartServiceByName', SERVICE, [0])],
  ['TALK: RequestName', ['--talk=org.example.New'], bus('RequestName', 'org.example.New', [0])],
  ['TALK: ReleaseName', ['--talk=org.example.New'], bus('ReleaseName', 'org.example.New')],
  ['OWN: questions', [`--own=${SERVICE}`], everyQuestion(SERVICE)],
  ['OWN: RequestName', ['--own=org.example.New'], bus('RequestName', 'org.example.New', [0])],
  ['OWN: ReleaseName', ['--own=org.example.New'], bus('ReleaseName', 'org.example.New')],
  ['OWN: no other name', ['--own=org.example.New'], bus('RequestName', 'org.example.Other', [0])],
  ['.*: the name itself', [`--talk=${SERVICE}.*`], call(SERVICE)],
  ['.*: names below', [`--talk=${SERVICE}.*`], call(BELOW)],
  ['.*: not names that only begin so', [`--talk=${SERVICE}.*`], everyQuestion(OTHER)],
  ['.*: ListNames', [`--see=${SERVICE}.*`], list('ListNames')],
  ['.*: NameOwnerChanged', [`--see=${SERVICE}.*`], changes],
  ['.*: owning names below', [`--own=${SERVICE}.*`], bus('RequestName', `${SERVICE}.Own`, [0])],
  ['without .*: not names below', [`--talk=org.example.Serv`], call(BELOW)],
  ['the highest level counts', [`--see=${SERVICE}`, `--talk=${SERVICE}.*`], call(SERVICE)],
  ['unique names are sticky', [`--talk=${SERVICE}`], afterRelease(call(unique))],
  ['unique names are sticky: the name is not', [`--talk=${SERVICE}`], afterRelease(call(SERVICE))],
  [
    'unique names have the highest of their names',
    [`--see=${SERVICE}`, `--talk=${BELOW}`],
    call(unique),
  ],
  ['who has spoken is seen', ['--own=org.example.Client'], spokenTo(everyQuestion(unique))],
  ['--call: a method', [`--call=${SERVICE}=org.example.I.M`], call(SERVICE)],
  ['--call: another method', [`--call=${SERVICE}=org.example.I.N`], call(SERVICE)],
  ['--call: another interface', [`--call=${SERVICE}=org.example.J.M`], call(SERVICE)],
  ['--call: an interface', [`--call=${SERVICE}=org.example.I.*`], call(SERVICE)],
  ['--call: .* is not for interfaces below', [`--call=${SERVICE}=org.example.*`], call(SERVICE)],
  ['--call: *', [`--call=${SERVICE}=*`], call(SERVICE)],
  ['--call: nothing', [`--call=${SERVICE}=`], call(SERVICE)],
  ['--call: a path', [`--call=${SERVICE}=@/a/b`], call(SERVICE)],
  ['--call: another path', [`--call=${SERVICE}=@/a`], call(SERVICE)],
  ['--call: a subtree', [`--call=${SERVICE}=@/a/*`], call(SERVICE)],
  ['--call: the top of a subtree', [`--call=${SERVICE}=@/a/b/*`], call(SERVICE)],
  [
    '--call: not what only begins so',
    [`--call=${SERVICE}=@/a/b/*`],
    call(SERVICE, { path: '/a/bc' }),
  ],
  ['--call: every path', [`--call=${SERVICE}=@/*`], call(SERVICE)],
  ['--call: method and path', [`--call=${SERVICE}=org.example.I.M@/a/b`], call(SERVICE)],
  ['--call: method and another path', [`--call=${SERVICE}=org.example.I.M@/c`], call(SERVICE)],
  ['--call: names below', [`--call=${SERVICE}.*=*`], call(BELOW)],
  ['--call: to the unique name', [`--call=${SERVICE}=*`], call(unique)],
  ['--call: the name is visible', [`--call=${SERVICE}=org.example.J.X`], everyQuestion(SERVICE)],
  ['--call: no broadcasts', [`--call=${SERVICE}=*`], broadcast()],
  [
    '--call: one of several rules',
    [`--call=${SERVICE}=org.example.J.*`, `--call=${SERVICE}=@/a/*`],
    call(SERVICE),
  ],
  ['--broadcast: a signal', [`--broadcast=${SERVICE}=org.example.I.S`], broadcast()],
  ['--broadcast: another signal', [`--broadcast=${SERVICE}=org.example.I.T`], broadcast()],
  ['--broadcast: a path', [`--broadcast=${SERVICE}=@/a/*`], broadcast()],
  ['--broadcast: another path', [`--broadcast=${SERVICE}=@/b/*`], broadcast()],
  ['--broadcast: no calls', [`--broadcast=${SERVICE}=*`], call(SERVICE)],
  ['--sloppy-names: ListNames', ['--sloppy-names'], list('ListNames')],
  ['--sloppy-names: questions', ['--sloppy-names'], everyQuestion(unique)],
  ['no eavesdropping', [], bus('AddMatch', "eavesdrop='true'")],
  [
    'no methods that are not known to be harmless',
    [],
    ({ client }) =>
      client.call(
        {
          ...GET_ID,
          interface: 'org.freedesktop.DBus.Monitoring',
          member: 'BecomeMonitor',
          signature: 'asu',
        },
        [[], 0],
      ),
  ],
  [
    'no properties of the bus',
    [],
    ({ client }) =>
      client.call(
        {
          ...GET_ID,
          interface: 'org.freedesktop.DBus.Properties',
          member: 'GetAll',
          signature: 's',
        },
        ['org.freedesktop.DBus'],
      ),
  ],
  [
    'introspection of the bus',
    [],
    ({ client }) =>
      typeof client.call({
        ...GET_ID,
        interface: 'org.freedesktop.DBus.Introspectable',
        member: 'Introspect',
      })[0],
  ],
];

const OPTIONS = ROWS.map(([, options]) => options);
const UNSTARTABLE = { name: ACTIVATABLE, exec: '/bin/false' };

const SOFTWARE = [...OLD_BUS_SOFTWARE['dbus-daemon'], needs('xdg-dbus-proxy', 'xdg-dbus-proxy')];

function rolesConfig(main: string, paths: readonly string[], services: string): unknown {
  const open = [
    { allow: { connect: { user: '*' } } },
    { allow: { own: '*' } },
    { allow: { send: '*' } },
    { allow: { receive: '*' } },
  ];
  const roles = paths.map((path, row) => [
    `row-${row}`,
    { for: { listener: `unix:path=${path}` }, ...grantsOf(OPTIONS[row]) },
  ]);
  return {
    type: 'session',
    listen: [main, ...paths].map((path) => `unix:path=${path}`),
    servicedir: services,
    policies: [{ context: 'default', rules: open }],
    roles: Object.fromEntries(roles),
  };
}

/** What the options of a proxy are in a role. */
function grantsOf(options: readonly string[]): Record<string, unknown[]> {
  const grants: Record<string, unknown[]> = { see: [], talk: [], own: [], call: [], hear: [] };
  for (const option of options.filter((each) => each.includes('='))) {
    const [, word, value] = /^--(\w+)=(.*)$/u.exec(option)!;
    if (word in grants && word !== 'call') grants[word].push(value);
    else grants[word === 'call' ? 'call' : 'hear'].push(messageGrant(value));
  }
  return grants;
}

function messageGrant(text: string): unknown {
  const rule = messageRule(text, 'call')!;
  return {
    name: rule.isSubtree ? `${rule.name}.*` : rule.name,
    ...(rule.path !== undefined && { path: rule.isPathSubtree ? `${rule.path}/*` : rule.path }),
    ...(rule.interface !== undefined && { interface: rule.interface }),
    ...(rule.member !== undefined && { member: rule.member }),
  };
}

/** What clients of the rows connect to. */
type Fronts = Pick<Front, 'connect' | 'stop'>;

/** A bus with the services of the rows, and a front for each row. */
class Arrangement {
  private readonly service: RawClient;
  private readonly serviceName: string;
  private readonly front: Fronts;
  private readonly stopBus: () => Promise<void>;

  private constructor(bus: FrontedBus, front: Fronts, stopBus: () => Promise<void>) {
    this.front = front;
    this.stopBus = stopBus;
    this.service = new RawClient(bus.address).authenticate();
    [this.serviceName] = this.service.callBus('Hello') as [string];
    for (const name of [SERVICE, BELOW, OTHER]) {
      this.service.callBus('RequestName', 'su', [name, 0]);
    }
  }

  static async withProxy(kind: ProxyKind): Promise<Arrangement> {
    const bus = await OldBus.start('dbus-daemon', [UNSTARTABLE]);
    const front = await Front.start(kind, bus, OPTIONS);
    return new Arrangement(bus, front, () => bus.stop());
  }

  static async onBridge(hosts: number): Promise<Arrangement> {
    const services = openFolder('services-');
    installService(services, UNSTARTABLE);
    const config = sessionConfig('unix:path=@DIR@/bus', `<servicedir>${services}</servicedir>`);
    const bus = await startBus({ config, env: { BUS1_HOSTS: String(hosts) } });
    const front = await Front.start('bus1-bridge sandbox', bus, OPTIONS);
    /* the bus serves the clients itself: what was started has nothing more to do */
    const status = await front.exited;
    if (status !== 0) throw new Error(`the bus did not take the sockets: exit status ${status}`);
    return new Arrangement(bus, front, () => bus.stop());
  }

  /** A role for those who come in at a socket of their own. */
  static async byRoles(hosts: number): Promise<Arrangement> {
    const folder = openFolder('roles-');
    installService(folder, UNSTARTABLE);
    const paths = ROWS.map((_, row) => join(folder, String(row)));
    const main = join(folder, 'bus');
    const config = join(folder, 'bus.yaml');
    writeFileSync(config, stringify(rolesConfig(main, paths, folder)));
    const bus = await startBus({ config, env: { BUS1_HOSTS: String(hosts) } });
    const fronts = {
      connect: (row: number) => connectTo(paths[row]),
      stop: () => Promise.resolve(),
    };
    return new Arrangement({ ...bus, address: `unix:path=${main}` }, fronts, () => bus.stop());
  }

  outcomeOf(probe: Probe, row: number): unknown {
    const { service, serviceName } = this;
    const client = this.front.connect(row);
    service.receiveWaiting();
    const result = outcome(probe, { client, service, serviceName });
    client.close();
    return result;
  }

  async stop(): Promise<void> {
    this.service.close();
    await this.front.stop();
    await this.stopBus();
  }
}

const ARRANGEMENTS = [
  ['`bus1-bridge sandbox` in its place', () => Arrangement.withProxy('bus1-bridge sandbox')],
  ['a bridge with one host, without a proxy', () => Arrangement.onBridge(1)],
  ['a bridge with two hosts, without a proxy', () => Arrangement.onBridge(2)],
  ['a bridge with one host, by its roles', () => Arrangement.byRoles(1)],
  ['a bridge with two hosts, by its roles', () => Arrangement.byRoles(2)],
] as const;

describeWith(SOFTWARE, 'as xdg-dbus-proxy(1) in front of dbus-daemon', () => {
  describe.each(ARRANGEMENTS)('%s', (title, open) => {
    let theirs: Arrangement;
    let ours: Arrangement;

    beforeAll(async () => {
      theirs = await Arrangement.withProxy('xdg-dbus-proxy');
      ours = await open();
    });

    afterAll(async () => {
      await theirs.stop();
      await ours.stop();
    });

    /* a role has no --sloppy-names */
    const isIn = (options: readonly string[]): boolean =>
      !title.includes('roles') || !options.includes('--sloppy-names');
    const rows = ROWS.map((row, index) => [...row, index] as const);
    test.each(rows.filter(([, options]) => isIn(options)))(
      '%s %j',
      (_rule, _options, probe, row) => {
        expect(ours.outcomeOf(probe, row)).toEqual(theirs.outcomeOf(probe, row));
      },
    );
  });
});
