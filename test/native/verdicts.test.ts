// What the policy lets pass does not depend on how a program is connected: the same conversations between clients on
// sockets and native peers, in every combination, before and after names and rules change.
import { writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import {
  DBusError,
  implement,
  join,
  RequestNameReply,
  type Bus,
  type InterfaceDescription,
} from '#bridge/client/index.js';
import type { TransportKind } from '#bridge/client/transport.js';
import { BusWithHosts } from '../hosts/bus-with-hosts.js';
import { openFolder } from '../support/bus-command.js';

const NAME = 'org.bus1.Judged';
const SECRET = 'org.bus1.Secret';
const FAMILY = 'org.bus1.Family';
const STARTABLE = 'org.bus1.Startable';
const IFACE = 'org.bus1.Test';
const DRIVER = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};

/** The rules of the first stage, and of every other in which nothing is said. */
const RULES = [
  `<deny send_destination="${NAME}" send_interface="${IFACE}" send_member="Forbidden"/>`,
  `<deny send_destination="${NAME}" send_path="/forbidden"/>`,
  `<deny receive_interface="${IFACE}" receive_member="Unheard"/>`,
  `<deny receive_type="error" receive_error="${IFACE}.Concealed" receive_requested_reply="true"/>`,
  `<deny send_destination="${SECRET}"/>`,
  `<deny send_destination_prefix="${FAMILY}" send_interface="${IFACE}" send_member="Allowed"/>`,
  '<deny own="org.bus1.NotYours"/>',
  `<deny send_destination="${STARTABLE}" send_interface="${IFACE}" send_member="Forbidden"/>`,
  `<deny send_destination="${DRIVER.destination}" send_interface="${DRIVER.interface}.Peer"/>`,
  `<deny send_destination="${DRIVER.destination}" send_interface="${DRIVER.interface}.Monitoring"/>`,
  `<deny send_interface="${DRIVER.interface}" send_member="StartServiceByName"/>`,
];

const services = openFolder('verdicts-services-');
writeFileSync(
  joinPath(services, `${STARTABLE}.service`),
  `[D-BUS Service]\nName=${STARTABLE}\nExec=/bin/false\n`,
);

const config = (rules: readonly string[]): string => `
<busconfig>
  <type>session</type>
  <servicedir>${services}</servicedir>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
    ${rules.join('\n    ')}
  </policy>
</busconfig>`;

const MEMBERS = ['Allowed', 'Forbidden', 'Unheard', 'Other'] as const;
const Judged = {
  name: IFACE,
  methods: Object.fromEntries(
    [...MEMBERS, 'Conceal'].map((member) => [member, { in: '', out: '' }]),
  ),
  signals: {},
  properties: {},
} as const satisfies InterfaceDescription;
const ANSWERED = Object.fromEntries(MEMBERS.map((member) => [member, () => undefined]));
const Conceal = (): never => {
  throw new DBusError(`${IFACE}.Concealed`, 'a secret');
};

/** What the bus, or somebody, says to a call: 'answered', or the error without what differs from run to run. */
async function verdict(bus: Bus, call: Parameters<Bus['call']>[0]): Promise<string> {
  try {
    await bus.call(call);
    return 'answered';
  } catch (error) {
    if (!(error instanceof DBusError)) throw error;
    /* who keeps an answer back says so in its own words */
    if (error.name.endsWith('.NoReply')) return error.name;
    return `${error.name}: ${error.message.replace(/:1\.\d+/g, ':1.N')}`;
  }
}

/** One program that sends, and one that receives. */
class Pair {
  readonly sender: Bus;
  readonly receiver: Bus;
  readonly heard: string[] = [];

  private constructor(sender: Bus, receiver: Bus) {
    this.sender = sender;
    this.receiver = receiver;
  }

  static async open(address: string, from: TransportKind, to: TransportKind): Promise<Pair> {
    const sender = await join({ address, transport: from });
    const pair = new Pair(sender, await join({ address, transport: to }));
    const { receiver, heard } = pair;
    const methods = { ...ANSWERED, Conceal };
    for (const path of ['/', '/forbidden']) receiver.serve(path, implement(Judged, { methods }));
    receiver.signals({ interface: IFACE }).subscribe(({ member }) => heard.push(member));
    await receiver.settled();
    await receiver.requestName(NAME);
    return pair;
  }

  close(): void {
    this.sender.close();
    this.receiver.close();
  }

  call(member: string, destination = NAME, path = '/'): Promise<string> {
    return verdict(this.sender, { destination, path, interface: IFACE, member });
  }

  /** Which of the broadcasts arrive. */
  async tell(...members: readonly string[]): Promise<readonly string[]> {
    this.heard.length = 0;
    for (const member of members) this.sender.emit({ path: '/', interface: IFACE, member });
    await this.call('Allowed');
    return [...this.heard];
  }
}

type Act = (pair: Pair, rules: (rules: readonly string[]) => Promise<void>) => Promise<unknown>;

const ACTS: readonly (readonly [string, Act])[] = [
  ['a call that nothing denies', (pair) => pair.call('Allowed')],
  ['a member', (pair) => pair.call('Forbidden')],
  ['a member, by the unique name', (pair) => pair.call('Forbidden', pair.receiver.uniqueName)],
  ['a path', (pair) => pair.call('Allowed', NAME, '/forbidden')],
  ['what the receiver may not get', (pair) => pair.call('Unheard')],
  ['an answer that the caller may not get', (pair) => pair.call('Conceal')],
  [
    'a name',
    async (pair) => {
      try {
        await pair.sender.requestName('org.bus1.NotYours');
        return 'owned';
      } catch (error) {
        return (error as Error).message.replace(/:1\.\d+/g, ':1.N');
      }
    },
  ],
  [
    'the bus itself: what it is asked, and by whom it lets itself be watched',
    async ({ sender }) => [
      await verdict(sender, { ...DRIVER, member: 'GetId' }),
      await verdict(sender, {
        ...DRIVER,
        interface: `${DRIVER.interface}.Peer`,
        member: 'GetMachineId',
      }),
      await verdict(sender, {
        ...DRIVER,
        interface: `${DRIVER.interface}.Monitoring`,
        member: 'BecomeMonitor',
        signature: 'asu',
        body: [[], 0],
      }),
      await verdict(sender, {
        ...DRIVER,
        member: 'AddMatch',
        signature: 's',
        body: ["eavesdrop='true',type='error'"],
      }),
    ],
  ],
  [
    'a name whose service has to be started',
    async (pair) => [
      await pair.call('Forbidden', STARTABLE),
      await pair.call('Allowed', STARTABLE),
      await verdict(pair.sender, {
        ...DRIVER,
        member: 'StartServiceByName',
        signature: 'su',
        body: [STARTABLE, 0],
      }),
      await verdict(pair.sender, {
        destination: STARTABLE,
        path: '/',
        interface: IFACE,
        member: 'Allowed',
        noAutoStart: true,
      }),
    ],
  ],
  ['broadcasts', (pair) => pair.tell('Loud', 'Unheard', 'Loud')],
  [
    'a name that the receiver takes, and gives back',
    async (pair) => {
      const { receiver } = pair;
      const verdicts = [
        await pair.call('Allowed'),
        await pair.call('Allowed', receiver.uniqueName),
      ];
      expect(await receiver.requestName(SECRET)).toBe(RequestNameReply.PrimaryOwner);
      for (const name of [NAME, receiver.uniqueName, SECRET])
        verdicts.push(await pair.call('Allowed', name));
      await receiver.releaseName(SECRET);
      verdicts.push(await pair.call('Allowed'), await pair.call('Allowed', receiver.uniqueName));
      return verdicts;
    },
  ],
  [
    'a name below a prefix',
    async (pair) => {
      const verdicts = [await pair.call('Allowed'), await pair.call('Other')];
      await pair.receiver.requestName(`${FAMILY}.Child`);
      verdicts.push(await pair.call('Allowed'), await pair.call('Other'));
      await pair.receiver.releaseName(`${FAMILY}.Child`);
      return [...verdicts, await pair.call('Allowed')];
    },
  ],
  [
    'a right that a reload takes away, and gives back',
    async (pair, rules) => {
      const verdicts = [
        await pair.call('Allowed'),
        await pair.call('Allowed', pair.receiver.uniqueName),
      ];
      await rules([
        ...RULES,
        `<deny send_destination="${NAME}" send_interface="${IFACE}" send_member="Allowed"/>`,
      ]);
      verdicts.push(
        await pair.call('Allowed'),
        await pair.call('Allowed', pair.receiver.uniqueName),
      );
      verdicts.push(await pair.call('Other'));
      await rules(['<deny send_destination="org.bus1.Unrelated"/>']);
      verdicts.push(
        await pair.call('Allowed'),
        await pair.call('Forbidden'),
        await pair.call('Conceal'),
      );
      await rules([]);
      verdicts.push(await pair.call('Forbidden'));
      await rules(RULES);
      return [...verdicts, await pair.call('Forbidden'), await pair.call('Allowed')];
    },
  ],
];

describe.each([1, 2])('with %i host(s)', (hosts) => {
  const file = joinPath(openFolder('verdicts-'), 'bus.conf');
  let bridge: BusWithHosts;
  let admin: Bus;
  /** how two clients on sockets fare, which is compared with dbus-daemon elsewhere */
  let reference: Map<string, unknown>;

  const rules = async (list: readonly string[]): Promise<void> => {
    writeFileSync(file, config(list));
    await admin.call({ ...DRIVER, member: 'ReloadConfig' });
  };

  const outcome = async (from: TransportKind, to: TransportKind, act: Act): Promise<unknown> => {
    const pair = await Pair.open(bridge.address, from, to);
    try {
      return await act(pair, rules);
    } finally {
      pair.close();
    }
  };

  beforeAll(async () => {
    writeFileSync(file, config(RULES));
    bridge = await BusWithHosts.start(hosts, ['--config', file]);
    admin = await join({ address: bridge.address, transport: 'socket' });
    reference = new Map();
    for (const [title, act] of ACTS) reference.set(title, await outcome('socket', 'socket', act));
  });
  afterAll(async () => {
    admin.close();
    await bridge.stop();
  });
  beforeEach(() => rules(RULES));

  test('something is allowed and something denied', () => {
    const text = JSON.stringify([...reference]);
    expect(text.match(/answered/g)!.length).toBeGreaterThan(10);
    expect(text.match(/Rejected send message.*?bus\.conf:\d+/g)!.length).toBeGreaterThan(5);
    expect(text).toContain('NoReply');
    expect(reference.get('broadcasts')).toEqual(['Loud', 'Loud']);
  });

  describe.each([
    ['socket', 'domain'],
    ['domain', 'socket'],
    ['domain', 'domain'],
  ] as const)('from %s to %s', (from, to) => {
    test.each(ACTS)('%s', async (title, act) => {
      expect(await outcome(from, to, act)).toEqual(reference.get(title));
    });
  });
});
