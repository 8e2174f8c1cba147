import { Variant } from '#bridge/wire/types.js';
import type { Random } from '../core/random.js';
import { MARKER_RULE } from './attendant.js';
import { DRIVER } from './operation.js';
import { anyMatchRule } from './random-match-rule.js';
import { anyName, ownableName } from './random-values.js';

const PATH = '/org/freedesktop/DBus';
const PROPERTIES = 'org.freedesktop.DBus.Properties';
const STATS = 'org.freedesktop.DBus.Debug.Stats';

/** What a call to the driver says, apart from its serial and flags. */
export interface DriverCall {
  readonly path: string;
  readonly interface?: string | undefined;
  readonly member: string;
  readonly signature?: string | undefined;
  readonly body?: readonly unknown[] | undefined;
}

type Make = (random: Random, clients: number) => DriverCall;

function call(member: string, signature?: string, ...body: unknown[]): DriverCall {
  return { path: PATH, interface: DRIVER, member, signature, body };
}

function onInterface(name: string, member: string, signature?: string, ...body: unknown[]) {
  return { ...call(member, signature, ...body), interface: name };
}

const QUERIES = [
  'NameHasOwner',
  'GetNameOwner',
  'ListQueuedOwners',
  'GetConnectionUnixUser',
  'GetConnectionUnixProcessID',
  'GetConnectionCredentials',
  'GetConnectionSELinuxSecurityContext',
  'GetAdtAuditSessionData',
];

const properties: Make = (random) => {
  const of = random.pick([DRIVER, DRIVER, STATS, 'com.example.I', 'org.freedesktop.DBus.Peer', '']);
  const name = random.pick(['Features', 'Interfaces', 'Nonsense', '']);
  switch (random.below(3)) {
    case 0:
      return onInterface(PROPERTIES, 'Get', 'ss', of, name);
    case 1:
      return onInterface(PROPERTIES, 'GetAll', 's', of);
    default:
      return onInterface(PROPERTIES, 'Set', 'ssv', of, name, new Variant('s', 'x'));
  }
};

const stats: Make = (random, clients) => {
  switch (random.below(3)) {
    case 0:
      return onInterface(STATS, 'GetStats');
    case 1:
      return onInterface(STATS, 'GetConnectionStats', 's', anyName(random, clients));
    default:
      return onInterface(STATS, 'GetAllMatchRules');
  }
};

const becomeMonitor: Make = (random, clients) => {
  const count = random.below(3);
  const rules = Array.from({ length: count }, () => anyMatchRule(random, clients));
  /* without rules it sees everything; otherwise it has to see the signs that tell it where a step ends */
  if (count > 0) rules.push(MARKER_RULE);
  const flags = random.chance(0.1) ? 1 : 0;
  return onInterface('org.freedesktop.DBus.Monitoring', 'BecomeMonitor', 'asu', rules, flags);
};

/** Calls that no driver understands as they are. */
const odd: Make = (random, clients) => {
  const base = random.pick([
    call('GetId'),
    call('Hello'),
    call('NameHasOwner', 's', 'com.example.A'),
    onInterface('org.freedesktop.DBus.Peer', 'Ping'),
    onInterface('org.freedesktop.DBus.Peer', 'GetMachineId'),
  ]);
  switch (random.below(6)) {
    case 0:
      return { ...base, member: random.pick(['Nonsense', 'getId', 'Hello_']) };
    case 1:
      return { ...base, interface: random.pick(['com.example.I', PROPERTIES, 'a.b']) };
    case 2:
      return { ...base, signature: 'u', body: [1] };
    case 3:
      return { ...base, interface: undefined };
    case 4:
      return { ...anyDriverCall(random, clients), interface: undefined };
    default:
      return { ...anyDriverCall(random, clients), path: random.pick(['/', '/org', '/a/b']) };
  }
};

const requestName: Make = (random, clients) => {
  const flags = random.chance(0.95) ? random.below(8) : random.pick([8, 0xffffffff]);
  return call('RequestName', 'su', ownableName(random, clients), flags);
};

const CALLS: readonly [number, Make][] = [
  [24, requestName],
  [12, (random, clients) => call('ReleaseName', 's', ownableName(random, clients))],
  [16, (random, clients) => call(random.pick(QUERIES), 's', anyName(random, clients))],
  [3, () => call('ListNames')],
  [1, () => call('GetId')],
  [14, (random, clients) => call('AddMatch', 's', anyMatchRule(random, clients))],
  [4, (random, clients) => call('RemoveMatch', 's', anyMatchRule(random, clients))],
  [4, properties],
  [1, () => onInterface('org.freedesktop.DBus.Introspectable', 'Introspect')],
  [2, (random) => onInterface('org.freedesktop.DBus.Peer', random.pick(['Ping', 'GetMachineId']))],
  [4, stats],
  [2, becomeMonitor],
  [1, () => call('Hello')],
  [1, () => call('ListActivatableNames')],
  [2, (random, clients) => call('StartServiceByName', 'su', anyName(random, clients), 0)],
  [1, () => call('UpdateActivationEnvironment', 'a{ss}', new Map([['DIFFERENTIAL', '1']]))],
  [1, () => call('ReloadConfig')],
  [6, odd],
];

const TOTAL = CALLS.reduce((sum, [weight]) => sum + weight, 0);

export function anyDriverCall(random: Random, clients: number): DriverCall {
  let at = random.below(TOTAL);
  for (const [weight, make] of CALLS) {
    if (at < weight) return make(random, clients);
    at -= weight;
  }
  return call('GetId');
}
