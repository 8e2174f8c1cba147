import { ActivationFailures } from './activation-failure.js';
import { DRIVER_NAME } from '#bridge/registry/directory.js';

import { DriverError, ErrorName } from './driver-error.js';
import {
  arg,
  LATER,
  method,
  type Call,
  type CallWith,
  type DriverInterface,
  type Method,
} from './method.js';

/** Replies of StartServiceByName (D-Bus specification, "Message Bus Messages"). */
const StartReply = { Success: 1, AlreadyRunning: 2 } as const;

/** Like dbus-daemon, this ignores all flags, and knows only services that have a .service file. */
function startServiceByName(call: CallWith<'su'>): readonly [number] | typeof LATER {
  const { driver, connection, reply, fail } = call;
  const [name] = call.args;
  const { activator, attached } = driver.settings;
  if (driver.registry.owner(name) !== undefined) {
    if (attached?.activatableNames.includes(name) === true || activator.isActivatable(name)) {
      return [StartReply.AlreadyRunning];
    }
    const unknown = errorOf(ActivationFailures.serviceUnknown(name));
    const isLookedAt = activator.lookAgain(name, connection, () => {
      if (activator.isActivatable(name)) reply([StartReply.AlreadyRunning]);
      else fail(unknown);
    });
    if (!isLookedAt) throw unknown;
    return LATER;
  }
  const started = (code: number): void => reply([code]);
  const isHere = activator.isActivatable(name) && attached?.startsThere(name) !== true;
  if (!isHere && attached?.start(connection, name, started, fail) === true) return LATER;
  activator.request(name, {
    waiter: connection,
    deliver: () => reply([StartReply.Success]),
    fail: (failure) => fail(errorOf(failure)),
    drop() {},
  });
  return LATER;
}

function updateActivationEnvironment(call: CallWith<'a{ss}'>): readonly [] {
  const [variables] = call.args;
  openActivator(call).changeEnvironment({ kind: 'set', variables: [...variables] });
  return [];
}

function unsetEnvironment(call: CallWith<'as'>): readonly [] {
  const [names] = call.args;
  openActivator(call).changeEnvironment({ kind: 'unset', names });
  return [];
}

/** Where services run as other users (on a system bus), no client may change their environment. */
function openActivator({ driver: { settings } }: Call): typeof settings.activator {
  if (settings.activator.isEnvironmentOpen) return settings.activator;
  throw new DriverError(
    ErrorName.AccessDenied,
    'Cannot change activation environment on a system bus.',
  );
}

function reloadConfig({ driver, connection, reply, fail }: Call): typeof LATER {
  driver.settings.reloadConfig(connection, (failure) => {
    if (failure === undefined) reply([]);
    else fail(errorOf(failure));
  });
  return LATER;
}

function errorOf(failure: { errorName: string; message: string }): DriverError {
  return new DriverError(failure.errorName, failure.message);
}

export const activationMethods: readonly Method[] = [
  method({
    name: 'StartServiceByName',
    in: [arg('name', 's'), arg('flags', 'u')],
    out: [arg('result', 'u')],
    run: startServiceByName,
  }),
  {
    name: 'ListActivatableNames',
    in: [],
    out: [arg('names', 'as')],
    run: ({ driver: { settings } }) => {
      const there = settings.attached?.activatableNames ?? [];
      return [[DRIVER_NAME, ...new Set([...settings.activator.activatableNames, ...there])]];
    },
  },
  method({
    name: 'UpdateActivationEnvironment',
    in: [arg('environment', 'a{ss}')],
    out: [],
    privileged: true,
    canonicalPath: true,
    run: updateActivationEnvironment,
  }),
  /* not privileged, as in the reference daemon: the policy decides who may call it */
  { name: 'ReloadConfig', in: [], out: [], run: reloadConfig },
];

/** An extension that other buses do not have: variables can also be unset. */
export const activation: DriverInterface = {
  name: 'org.bus1.DBus.Activation',
  isAdvertised: true,
  canonicalPath: true,
  methods: [
    method({
      name: 'UnsetEnvironment',
      in: [arg('names', 'as')],
      out: [],
      privileged: true,
      run: unsetEnvironment,
    }),
  ],
};
