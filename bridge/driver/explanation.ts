import type { Connection } from '#bridge/registry/connection.js';
import { DRIVER_NAME } from '#bridge/registry/directory.js';
import {
  DRIVER_PARTY,
  explainMessage,
  Flow,
  formatExplanation,
  remediesFor,
  type Party,
} from '#policy/index.js';
import type { Driver } from './driver.js';
import { DriverError, ErrorName } from './driver-error.js';
import { arg, method, type CallWith, type Method } from './method.js';

/** `bus1-bridge explain --bus`: judges a message between present connections by the rules in force. */
export const explain: Method = method({
  name: 'Explain',
  in: [
    /* a unique name, a name that is owned, or the number of a process */
    arg('from', 's'),
    /* the same, or a name whose service would have to be started, or the bus itself */
    arg('to', 's'),
    arg('flow', 's'),
    arg('type', 'y'),
    /* empty: the message has none */
    arg('path', 's'),
    arg('interface', 's'),
    arg('member', 's'),
    arg('error', 's'),
    /* list the rules that do not match, too */
    arg('all', 'b'),
  ],
  out: [arg('allowed', 'b'), arg('lines', 'as')],
  privileged: true,
  run: explainLive,
});

function explainLive({ driver, args }: CallWith<'sssyssssb'>): readonly unknown[] {
  const [from, to, flow, type, path, iface, member, errorName, all] = args;
  if (!isFlow(flow)) {
    throw new DriverError(
      ErrorName.InvalidArgs,
      `"${flow}" is not a kind of delivery: give one of ${Object.values(Flow).join(', ')}`,
    );
  }
  const facts = {
    type,
    path: path || undefined,
    interface: iface || undefined,
    member: member || undefined,
    errorName: errorName || undefined,
  };
  const sender = partyOf(connectionOf(driver, from));
  const receiver = receiverOf(driver, to);
  const explanation = explainMessage(sender, receiver, flow, facts);
  const remedies = remediesFor(explanation, { sender, receiver, flow, facts });
  return [explanation.allowed, [...formatExplanation(explanation, all), ...remedies]];
}

function isFlow(text: string): text is Flow {
  return Object.values<string>(Flow).includes(text);
}

function receiverOf(driver: Driver, who: string): Party {
  if (who === DRIVER_NAME) return DRIVER_PARTY;
  const isToStart =
    connectionsOf(driver, who).length === 0 && driver.settings.activator.isActivatable(who);
  if (isToStart) return { policy: undefined, names: new Set([who]) };
  return partyOf(connectionOf(driver, who));
}

function partyOf({ standing, names }: Connection): Party {
  return { policy: standing.policy, names };
}

/** @throws DriverError when there is none, or when a process has several */
function connectionOf(driver: Driver, who: string): Connection {
  const found = connectionsOf(driver, who);
  const [connection] = found;
  if (connection !== undefined && found.length === 1) return connection;
  if (found.length > 1) {
    const names = found.map(({ uniqueName }) => uniqueName).join(', ');
    throw new DriverError(
      ErrorName.InvalidArgs,
      `process ${who} has several connections: ${names}; name one of them`,
    );
  }
  throw new DriverError(
    ErrorName.NameHasNoOwner,
    isPid(who)
      ? `process ${who} has no connection to this bus`
      : `the name ${who} has no owner on this bus, and no service can be started for it`,
  );
}

function connectionsOf({ registry }: Driver, who: string): Connection[] {
  if (isPid(who)) {
    const pid = Number(who);
    return [...registry.connections.values()].filter(({ credentials }) => credentials.pid === pid);
  }
  const owner = registry.owner(who);
  return owner === undefined ? [] : [owner];
}

function isPid(who: string): boolean {
  return /^\d+$/u.test(who);
}
