import type { Connection, ConnectionFigures } from '#bridge/registry/connection.js';
import { DRIVER_NAME } from '#bridge/registry/directory.js';
import { Variant } from '#bridge/wire/types.js';

import type { Driver } from './driver.js';
import { DriverError, ErrorName } from './driver-error.js';
import { arg, LATER, method, type Call, type CallWith, type DriverInterface } from './method.js';

type Entries = Map<string, Variant>;

function counts(values: Readonly<Record<string, number>>): Entries {
  return new Map(Object.entries(values).map(([key, value]) => [key, new Variant('u', value)]));
}

/** Our own figures of the capability core. Names of our own contain a dot (D-Bus specification, Debug.Stats). */
function coreFigures({ settings, registry }: Driver): Entries {
  const figures = { ...settings.figures(), RegistryLookups: registry.lookups };
  return new Map(
    Object.entries(figures).map(([key, value]) => [
      `org.bus1.${key}`,
      new Variant('t', BigInt(value)),
    ]),
  );
}

function getStats({ driver }: Call): readonly [Entries] {
  const { registry, settings } = driver;
  const { peaks } = registry;
  const entries = counts({
    Serial: driver.statsSerial++,
    ActiveConnections: registry.activeCount,
    IncompleteConnections: settings.incompleteConnections(),
    MatchRules: registry.subscriptions.ruleCount,
    PeakMatchRules: peaks.matchRules,
    PeakMatchRulesPerConnection: peaks.matchRulesPerConnection,
    BusNames: registry.busNameCount,
    PeakBusNames: peaks.busNames,
    PeakBusNamesPerConnection: peaks.busNamesPerConnection,
    /* the reference daemon's pool of list links: there is none here, but readers may rely on the keys */
    ListMemPoolUsedBytes: 0,
    ListMemPoolCachedBytes: 0,
    ListMemPoolAllocatedBytes: 0,
  });
  for (const [key, value] of coreFigures(driver)) entries.set(key, value);
  entries.set('org.bus1.UserAccounting', new Variant('a(uttta(uttt))', settings.userAccounting()));
  return [entries];
}

function connectionFigures(figures: ConnectionFigures): Entries {
  return counts({
    IncomingMessages: 0,
    IncomingBytes: figures.waitingIncomingBytes,
    IncomingFDs: figures.waitingIncomingDescriptors,
    OutgoingMessages: figures.waitingOutgoingMessages,
    OutgoingBytes: figures.waitingOutgoingBytes,
    OutgoingFDs: figures.waitingOutgoingDescriptors,
    PeakOutgoingBytes: figures.peakOutgoingBytes,
    /* no peaks of these are kept: the present values are lower bounds */
    PeakIncomingBytes: figures.waitingIncomingBytes,
    PeakIncomingFDs: figures.waitingIncomingDescriptors,
    PeakOutgoingFDs: figures.waitingOutgoingDescriptors,
  });
}

function connectionTotals(figures: ConnectionFigures): Entries {
  const totals = {
    SentMessages: figures.incomingMessages,
    SentBytes: figures.incomingBytes,
    ReceivedMessages: figures.outgoingMessages,
    ReceivedBytes: figures.outgoingBytes,
    PendingCalls: figures.pendingCalls,
    OwedReplies: figures.owedReplies,
    Destinations: figures.destinations,
  };
  return new Map(
    Object.entries(totals).map(([key, value]) => [
      `org.bus1.${key}`,
      new Variant('t', BigInt(value)),
    ]),
  );
}

function subject({ driver, args }: CallWith<'s'>): Connection {
  const [name] = args;
  if (name === DRIVER_NAME) {
    throw new DriverError(
      ErrorName.InvalidArgs,
      `GetConnectionStats is not meaningful for the message bus "${DRIVER_NAME}" itself`,
    );
  }
  const connection = driver.registry.owner(name);
  if (connection !== undefined) return connection;
  throw new DriverError(ErrorName.NameHasNoOwner, `Bus name '${name}' has no owner`);
}

function getConnectionStats(call: CallWith<'s'>): typeof LATER {
  const connection = subject(call);
  const answer = (): void => call.reply([entriesFor(call, connection)]);
  /* only its host knows the figures of a connection */
  if (connection.process === 0) answer();
  else call.driver.mirrors.collectReports(answer);
  return LATER;
}

function entriesFor(call: Call, connection: Connection): Entries {
  const figures = connection.figures();
  const entries = counts({
    Serial: call.driver.statsSerial++,
    MatchRules: connection.matchRuleCount,
    PeakMatchRules: connection.peakMatchRuleCount,
    BusNames: connection.names.size,
    PeakBusNames: connection.peakNameCount,
  });
  entries.set('UniqueName', new Variant('s', connection.uniqueName));
  for (const [key, value] of connectionFigures(figures)) entries.set(key, value);
  for (const [key, value] of connectionTotals(figures)) entries.set(key, value);
  /* its process in the domain: that of a host, as in org.bus1.Status, or of the native peer itself */
  entries.set('org.bus1.Process', new Variant('t', BigInt(connection.process)));
  return entries;
}

function getAllMatchRules({ driver }: Call): readonly [Map<string, string[]>] {
  const { connections, subscriptions } = driver.registry;
  const rules = new Map<string, string[]>();
  for (const [name, connection] of connections) {
    rules.set(name, subscriptions.rulesOf(connection));
  }
  return [rules];
}

/** org.freedesktop.DBus.Debug.Stats (D-Bus specification, "Message Bus Statistics") */
export const stats: DriverInterface = {
  name: 'org.freedesktop.DBus.Debug.Stats',
  isAdvertised: true,
  canonicalPath: true,
  methods: [
    { name: 'GetStats', in: [], out: [arg('stats', 'a{sv}')], run: getStats },
    method({
      name: 'GetConnectionStats',
      in: [arg('name', 's')],
      out: [arg('stats', 'a{sv}')],
      run: getConnectionStats,
    }),
    { name: 'GetAllMatchRules', in: [], out: [arg('rules', 'a{sas}')], run: getAllMatchRules },
  ],
};
