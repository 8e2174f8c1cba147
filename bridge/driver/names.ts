import type { Connection } from '#bridge/registry/connection.js';
import { ReleaseNameReply, RequestNameReply } from '#bridge/registry/name-queue.js';
import { DRIVER_NAME } from '#bridge/registry/directory.js';
import { parseBusName } from '#bridge/wire/names.js';

import type { NameClaim } from './attached-bus.js';
import type { Driver } from './driver.js';
import { DriverError, ErrorName } from './driver-error.js';
import { arg, LATER, method, type Call, type CallWith, type Method } from './method.js';

function requestName(call: CallWith<'su'>): readonly [number] | typeof LATER {
  const { driver, connection, args } = call;
  const [name, flags] = args;
  checkMayOwn(driver, connection, name);
  const isClaimed = driver.settings.attached?.claim(connection, name, flags, claimOf(call));
  if (isClaimed !== true) return grantName(call, flags);
  call.keepAttached();
  return LATER;
}

function claimOf(call: CallWith<'su'>): NameClaim {
  const { driver, connection, args, attached, reply, fail } = call;
  const [name, flags] = args;
  let isPromised = false;
  const finish = (): void => {
    if (attached?.live === true) driver.peer.release(attached);
  };
  return {
    grant: (grantedFlags = flags) => {
      const result = connection.live ? grantName(call, grantedFlags) : undefined;
      if (result !== undefined && !isPromised) reply(result);
      finish();
    },
    promise: () => {
      isPromised = true;
      if (connection.live) reply([RequestNameReply.PrimaryOwner]);
    },
    refuse: (error) => {
      if (!isPromised) fail(error);
      else if (connection.live) driver.signalTo(connection, 'NameLost', [name]);
      finish();
    },
  };
}

function grantName(call: CallWith<'su'>, flags: number): readonly [number] {
  const { driver, connection, args, attached } = call;
  const [name] = args;
  const { names } = driver.registry;
  const oldOwner = names.primary(name);
  const { reply, change } = names.request(name, connection, flags);
  if (change !== undefined) driver.registry.noteOwnership(change);
  if (change !== undefined && oldOwner !== undefined) {
    const staysQueued = names.queuedOwners(name).includes(oldOwner);
    driver.withdrawName(name, oldOwner, staysQueued);
  }
  const isMember = names.queuedOwners(name).includes(connection);
  if (isMember && attached !== undefined && !connection.nameHandles.has(name)) {
    driver.keepNameNode(name, connection, attached);
  } else if (!isMember) driver.withdrawName(name, connection, false);
  if (change !== undefined) driver.announce(change);
  return [reply];
}

function checkMayOwn(driver: Driver, connection: Connection, name: string): void {
  const who = connection.uniqueName;
  if (parseBusName(name) === undefined) {
    throw new DriverError(ErrorName.InvalidArgs, `Requested bus name "${name}" is not valid`);
  }
  if (name.startsWith(':')) {
    throw new DriverError(
      ErrorName.InvalidArgs,
      `Cannot acquire a service starting with ':' such as "${name}"`,
    );
  }
  if (name === DRIVER_NAME) {
    throw new DriverError(
      ErrorName.InvalidArgs,
      `Connection "${who}" is not allowed to own the service "${name}" because it is reserved for D-Bus' use only`,
    );
  }
  const denial = driver.settings.mayOwn(connection, name);
  if (denial !== undefined) throw new DriverError(ErrorName.AccessDenied, denial.text);
  const limit = connection.limit('maxNamesPerConnection', driver.settings.limits);
  /* the unique name is one of them, as in the reference daemon */
  if (driver.registry.names.joinedCount(connection) + 1 >= limit) {
    throw new DriverError(
      ErrorName.LimitsExceeded,
      `Connection "${who}" is not allowed to own more services ` +
        '(increase limits in configuration file if required; ' +
        `max_names_per_connection=${limit})`,
    );
  }
}

function releaseName({ driver, connection, args }: CallWith<'s'>): readonly [number] {
  const [name] = args;
  if (parseBusName(name) === undefined) {
    throw new DriverError(ErrorName.InvalidArgs, `Given bus name "${name}" is not valid`);
  }
  if (name.startsWith(':')) {
    throw new DriverError(
      ErrorName.InvalidArgs,
      `Cannot release a service starting with ':' such as "${name}"`,
    );
  }
  if (name === DRIVER_NAME) {
    throw new DriverError(
      ErrorName.InvalidArgs,
      `Cannot release the ${DRIVER_NAME} service because it is owned by the bus`,
    );
  }
  const owners = driver.registry.names.queuedOwners(name);
  if (owners.length === 0) return [ReleaseNameReply.NonExistent];
  if (!owners.includes(connection)) return [ReleaseNameReply.NotOwner];
  driver.takeName(name, connection);
  return [ReleaseNameReply.Released];
}

/** The unique name behind a name; the driver's name leads to itself. */
function getNameOwner({ driver, args }: CallWith<'s'>): readonly [string] {
  const [name] = args;
  if (name === DRIVER_NAME) return [DRIVER_NAME];
  const owner = driver.registry.owner(name);
  if (owner === undefined) {
    throw new DriverError(
      ErrorName.NameHasNoOwner,
      `Could not get owner of name '${name}': no such name`,
    );
  }
  return [owner.uniqueName];
}

function listQueuedOwners({ driver, args }: CallWith<'s'>): readonly [readonly string[]] {
  const [name] = args;
  if (name === DRIVER_NAME) return [[DRIVER_NAME]];
  const { registry } = driver;
  const unique = name.startsWith(':') ? registry.connections.get(name) : undefined;
  const owners = unique === undefined ? registry.names.queuedOwners(name) : [unique];
  if (owners.length === 0) {
    throw new DriverError(
      ErrorName.NameHasNoOwner,
      `Could not get owners of name '${name}': no such name`,
    );
  }
  return [owners.map(({ uniqueName }) => uniqueName)];
}

function listNames({ driver }: Call): readonly [readonly string[]] {
  const { connections, names } = driver.registry;
  return [[DRIVER_NAME, ...names.list(), ...connections.keys()]];
}

export const nameMethods: readonly Method[] = [
  method({
    name: 'RequestName',
    in: [arg('name', 's'), arg('flags', 'u')],
    out: [arg('result', 'u')],
    run: requestName,
  }),
  method({
    name: 'ReleaseName',
    in: [arg('name', 's')],
    out: [arg('result', 'u')],
    run: releaseName,
  }),
  method({
    name: 'NameHasOwner',
    isAboutName: true,
    in: [arg('name', 's')],
    out: [arg('has_owner', 'b')],
    run: ({ driver, args: [name] }) => [
      name === DRIVER_NAME || driver.registry.owner(name) !== undefined,
    ],
  }),
  { name: 'ListNames', in: [], out: [arg('names', 'as')], run: listNames },
  method({
    name: 'GetNameOwner',
    isAboutName: true,
    in: [arg('name', 's')],
    out: [arg('unique_name', 's')],
    run: getNameOwner,
  }),
  method({
    name: 'ListQueuedOwners',
    isAboutName: true,
    in: [arg('name', 's')],
    out: [arg('unique_names', 'as')],
    run: listQueuedOwners,
  }),
];
