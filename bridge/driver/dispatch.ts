import type { Handle } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import { DRIVER_NAME, DRIVER_PATH } from '#bridge/registry/directory.js';
import type { DecodedMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';

import type { Driver } from './driver.js';
import { DriverError, ErrorName } from './driver-error.js';
import { LATER, signatureOf, type Call, type Method } from './method.js';

/** Answers one method call with what the method returns, or with the error that it throws: then returns false. */
export function dispatch(
  driver: Driver,
  connection: Connection,
  message: DecodedMessage,
  attached: Handle | undefined,
  replyHandle: Handle | undefined,
  received: readonly number[] = [],
): boolean {
  const afterwards: (() => void)[] = [];
  const descriptors: number[] = [];
  let isKept = false;
  let isRefused = false;
  const fail = (error: unknown): void => refuse(driver, connection, message, replyHandle, error);
  try {
    const method = findMethod(driver, message);
    checkMayCall(driver, connection, message, method);
    const signature = signatureOf(method.out);
    const reply = (body: readonly unknown[]): void =>
      driver.reply(
        connection,
        replyHandle,
        message.serial,
        signature,
        body,
        undefined,
        descriptors,
      );
    const call: Call = {
      driver,
      connection,
      message,
      args: message.body,
      attached,
      descriptors: received,
      keepAttached: () => {
        isKept = true;
      },
      attachDescriptor: (fd) => {
        if (!connection.takesDescriptors) return undefined;
        return descriptors.push(fd) - 1;
      },
      reply,
      fail,
      afterReply: (action) => afterwards.push(action),
    };
    const isLookedUp = lookUp(call, method, () => {
      try {
        const result = method.run(call);
        if (result !== LATER) reply(result);
      } catch (error) {
        fail(error);
      }
    });
    const result = isLookedUp ? LATER : method.run(call);
    if (result !== LATER) reply(result);
  } catch (error) {
    isRefused = true;
    fail(error);
  }
  if (attached?.live === true && !isKept) driver.peer.release(attached);
  for (const action of afterwards) action();
  return !isRefused;
}

/** Asks the other bus about a name that is unknown here; true: `done` will be called. */
function lookUp({ driver, connection, args }: Call, method: Method, done: () => void): boolean {
  const { attached } = driver.settings;
  if (attached === undefined || method.isAboutName !== true) return false;
  const [name] = args;
  if (typeof name !== 'string' || !name.startsWith(':')) return false;
  if (driver.registry.owner(name) !== undefined) return false;
  return attached.lookUp(name, connection, done);
}

function refuse(
  driver: Driver,
  connection: Connection,
  message: DecodedMessage,
  replyHandle: Handle | undefined,
  error: unknown,
): void {
  if (!(error instanceof DriverError)) throw error;
  if (!connection.isActive) driver.showFirst(connection, message);
  driver.reply(connection, replyHandle, message.serial, 's', [error.message], error.errorName);
}

/** A call without an interface goes to the first one that has the method (D-Bus specification, "Header Fields"). */
function findMethod(driver: Driver, message: DecodedMessage): Method {
  let interfaceKnown = false;
  for (const { name, methods, canonicalPath } of driver.interfaces) {
    if (canonicalPath === true && message.path !== DRIVER_PATH) continue;
    if (message.interface !== undefined && message.interface !== name) continue;
    interfaceKnown = true;
    const method = methods.find((candidate) => candidate.name === message.member);
    if (method !== undefined) return method;
  }
  throw new DriverError(
    interfaceKnown ? ErrorName.UnknownMethod : ErrorName.UnknownInterface,
    `${DRIVER_NAME} does not understand message ${message.member}`,
  );
}

/** The only message that the driver accepts from a connection without a unique name. */
export function isHello({ type, interface: name, member }: DecodedMessage): boolean {
  const isOfBus = name === undefined || name === DRIVER_NAME;
  return type === MessageType.MethodCall && isOfBus && member === 'Hello';
}

/** Refuses any other message that comes before Hello. */
export function refuseUnregistered(
  driver: Driver,
  connection: Connection,
  message: DecodedMessage,
  replyHandle: Handle | undefined,
): void {
  const error = new DriverError(
    ErrorName.AccessDenied,
    'Client tried to send a message other than Hello without being registered',
  );
  refuse(driver, connection, message, replyHandle, error);
}

function checkMayCall(
  driver: Driver,
  connection: Connection,
  message: DecodedMessage,
  method: Method,
): void {
  if (method.canonicalPath === true && message.path !== DRIVER_PATH) {
    throw new DriverError(
      ErrorName.AccessDenied,
      `Method '${method.name}' is only available at the canonical object path '${DRIVER_PATH}'`,
    );
  }
  if (method.privileged === true && !driver.settings.isPrivileged(connection)) {
    throw new DriverError(
      ErrorName.AccessDenied,
      'The caller does not have the necessary privileged to call this method: ' +
        `${method.name} is for root and the user that runs the bus`,
    );
  }
  const expected = signatureOf(method.in);
  const got = message.signature ?? '';
  if (got !== expected) {
    throw new DriverError(
      ErrorName.InvalidArgs,
      `Call to ${method.name} has wrong args (${got}, expected ${expected})`,
    );
  }
}
