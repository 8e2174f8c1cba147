import type { Connection } from '#bridge/registry/connection.js';
import { DRIVER_NAME } from '#bridge/registry/directory.js';

import { activationMethods } from './activation.js';
import { credentialMethods } from './credentials.js';
import type { Driver } from './driver.js';
import { DriverError, ErrorName } from './driver-error.js';
import { matchMethods } from './matches.js';
import { arg, LATER, type Call, type DriverInterface, type Method } from './method.js';
import { nameMethods } from './names.js';

const hello: Method = {
  name: 'Hello',
  in: [],
  out: [arg('unique_name', 's')],
  run(call: Call) {
    const { driver, connection } = call;
    if (connection.isActive) {
      throw new DriverError(ErrorName.Failed, 'Already handled an Hello message');
    }
    checkConnectionLimits(call);
    const isNamedThere = driver.settings.attached?.greet(connection, (number) => {
      enterLater(call, number);
    });
    if (isNamedThere === true) return LATER;
    const name = driver.activate(connection);
    driver.showFirst(connection, call.message);
    call.afterReply(() => announceArrival(call, name));
    return [name];
  },
};

/** Completes Hello once the other bus has given the connection its number; -1: this bus chooses one. */
function enterLater(call: Call, number: number): void {
  const { driver, connection } = call;
  try {
    checkConnectionLimits(call);
  } catch (error) {
    return call.fail(error);
  }
  const name = driver.activate(connection, number);
  driver.showFirst(connection, call.message);
  call.reply([name]);
  announceArrival(call, name);
}

function announceArrival({ driver, connection }: Call, name: string): void {
  driver.nameOwnerChanged(name, '', name);
  driver.signalTo(connection, 'NameAcquired', [name]);
}

function checkConnectionLimits({ driver, connection }: Call): void {
  const { limits } = driver.settings;
  const { uid } = connection.credentials;
  const active = driver.registry.activeCount;
  if (active >= limits.maxCompletedConnections) {
    throw new DriverError(
      ErrorName.LimitsExceeded,
      'The maximum number of active connections has been reached ' +
        `(max_completed_connections=${limits.maxCompletedConnections})`,
    );
  }
  if (uid === undefined) return;
  const limit = connection.limit('maxConnectionsPerUser', limits);
  if (connectionsOf(driver, connection, uid) >= limit) {
    throw new DriverError(
      ErrorName.LimitsExceeded,
      `The maximum number of active connections for UID ${uid} has been reached ` +
        `(max_connections_per_user=${limit})`,
    );
  }
}

/** The number of active connections that count: all of the user, or those that have the role which sets the limit. */
function connectionsOf(driver: Driver, { policy }: Connection, uid: number): number {
  const role = policy?.roles.findLast(({ quotas }) => quotas.maxConnectionsPerUser !== undefined);
  if (role === undefined) return driver.perUser.get(uid) ?? 0;
  let count = 0;
  for (const { credentials, isActive, policy: theirs } of driver.registry.connections.values()) {
    if (isActive && credentials.uid === uid && theirs?.roles.includes(role) === true) count++;
  }
  return count;
}

const getId: Method = {
  name: 'GetId',
  in: [],
  out: [arg('id', 's')],
  run: ({ driver }) => [driver.settings.guid],
};

/** org.freedesktop.DBus itself (D-Bus specification, "Message Bus Messages"). */
export const busInterface: DriverInterface = {
  name: DRIVER_NAME,
  methods: [
    hello,
    ...nameMethods,
    ...activationMethods,
    ...matchMethods,
    ...credentialMethods,
    getId,
  ],
  properties: [
    { name: 'Features', type: 'as', get: (driver) => driver.settings.features },
    {
      name: 'Interfaces',
      type: 'as',
      get: ({ interfaces }) =>
        interfaces.filter((each) => each.isAdvertised === true).map(({ name }) => name),
    },
  ],
  signals: [
    {
      name: 'NameOwnerChanged',
      args: [arg('name', 's'), arg('old_owner', 's'), arg('new_owner', 's')],
    },
    { name: 'NameLost', args: [arg('name', 's')] },
    { name: 'NameAcquired', args: [arg('name', 's')] },
    { name: 'ActivatableServicesChanged', args: [] },
  ],
};
