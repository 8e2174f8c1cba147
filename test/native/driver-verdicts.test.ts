// The driver judges a native peer as it judges a client on a socket: a table over the members of its interfaces.
import { writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { join, type Bus } from '#bridge/client/index.js';
import { Variant } from '#bridge/wire/types.js';
import { openFolder } from '../support/bus-command.js';
import { BusWithHosts } from '../hosts/bus-with-hosts.js';
import { ErrorReply, RawClient } from '../support/raw-client.js';

const DBUS = 'org.freedesktop.DBus';
const STATS = `${DBUS}.Debug.Stats`;
const PROPERTIES = `${DBUS}.Properties`;

type Row = readonly [
  interfaceName: string,
  member: string,
  signature: string,
  body: readonly unknown[],
];

const ROWS: readonly Row[] = [
  [DBUS, 'ListNames', '', []],
  [DBUS, 'ListActivatableNames', '', []],
  [DBUS, 'NameHasOwner', 's', [DBUS]],
  [DBUS, 'GetNameOwner', 's', [DBUS]],
  [DBUS, 'ListQueuedOwners', 's', [DBUS]],
  [DBUS, 'RequestName', 'su', ['org.bus1.Verdict', 0]],
  [DBUS, 'ReleaseName', 's', ['org.bus1.Verdict']],
  [DBUS, 'StartServiceByName', 'su', ['org.bus1.Nobody', 0]],
  [DBUS, 'UpdateActivationEnvironment', 'a{ss}', [new Map()]],
  [DBUS, 'AddMatch', 's', ["type='signal'"]],
  [DBUS, 'RemoveMatch', 's', ["type='signal'"]],
  [DBUS, 'GetId', '', []],
  [DBUS, 'GetConnectionUnixUser', 's', [DBUS]],
  [DBUS, 'GetConnectionUnixProcessID', 's', [DBUS]],
  [DBUS, 'GetAdtAuditSessionData', 's', [DBUS]],
  [DBUS, 'GetConnectionSELinuxSecurityContext', 's', [DBUS]],
  [DBUS, 'GetConnectionCredentials', 's', [DBUS]],
  [DBUS, 'ReloadConfig', '', []],
  [`${DBUS}.Peer`, 'Ping', '', []],
  [`${DBUS}.Peer`, 'GetMachineId', '', []],
  [`${DBUS}.Introspectable`, 'Introspect', '', []],
  [PROPERTIES, 'Get', 'ss', [DBUS, 'Features']],
  [PROPERTIES, 'GetAll', 's', [DBUS]],
  [PROPERTIES, 'Set', 'ssv', [DBUS, 'Features', new Variant('s', 'x')]],
  [STATS, 'GetStats', '', []],
  [STATS, 'GetAllMatchRules', '', []],
  [STATS, 'GetConnectionStats', 's', [DBUS]],
  [`${DBUS}.Monitoring`, 'BecomeMonitor', 'asu', [['nonsense'], 0]],
  ['org.bus1.Status', 'GetStatus', '', []],
  ['org.bus1.DBus.Activation', 'UnsetEnvironment', 'as', [[]]],
  [DBUS, 'NoSuchMember', '', []],
];

const deny = ([interfaceName, member]: Row): string =>
  `<deny send_destination="${DBUS}" send_interface="${interfaceName}" send_member="${member}"/>`;

const config = (denied: readonly Row[]): string => `
<busconfig>
  <type>session</type>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow eavesdrop="true"/>
    <allow send_destination="*" eavesdrop="true"/>
    ${denied.map(deny).join('\n    ')}
  </policy>
</busconfig>`;

/** What came of a call. */
type Verdict = 'answered' | { name: string; message: string };

function legacyVerdict(client: RawClient, [interfaceName, member, signature, body]: Row): Verdict {
  try {
    const to = { destination: DBUS, path: '/org/freedesktop/DBus', interface: interfaceName };
    client.call({ ...to, member, signature }, [...body]);
    return 'answered';
  } catch (error) {
    if (!(error instanceof ErrorReply)) throw error;
    return { name: error.errorName, message: error.message };
  }
}

async function nativeVerdict(
  bus: Bus,
  [interfaceName, member, signature, body]: Row,
): Promise<Verdict> {
  try {
    await bus.call({
      destination: DBUS,
      path: '/org/freedesktop/DBus',
      interface: interfaceName,
      member,
      signature,
      body: [...body],
    });
    return 'answered';
  } catch (error) {
    const { name, message } = error as Error;
    return { name, message };
  }
}

const isDenied = (verdict: Verdict): boolean =>
  verdict !== 'answered' && verdict.message.startsWith('Rejected send message');

/** Of a denial all of it counts, the rule's file and line included; other answers may differ. */
const denialOf = (verdict: Verdict): Verdict | undefined =>
  isDenied(verdict) ? verdict : undefined;

describe.each([1, 2])('with %i host(s)', (hosts) => {
  describe.each([
    ['everything is denied', ROWS],
    ['nothing is denied', []],
  ] as const)('where %s', (_title, denied) => {
    const isEverythingDenied = denied.length > 0;
    const folder = openFolder('driver-verdicts-');
    let bridge: BusWithHosts;
    let native: Bus;
    let legacy: RawClient;

    beforeAll(async () => {
      const file = joinPath(folder, 'bus.conf');
      writeFileSync(file, config(denied));
      bridge = await BusWithHosts.start(hosts, ['--config', file]);
      native = await join({ address: bridge.address });
      legacy = RawClient.open(bridge.address);
    });
    afterAll(async () => {
      legacy.close();
      native.close();
      await bridge.stop();
    });

    test.each(ROWS)('%s.%s', async (...row) => {
      const expected = legacyVerdict(legacy, row);
      const verdict = await nativeVerdict(native, row);
      expect([verdict, expected].map(isDenied)).toEqual([isEverythingDenied, isEverythingDenied]);
      expect(denialOf(verdict)).toEqual(denialOf(expected));
    });
  });
});
