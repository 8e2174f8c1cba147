import { geteuid, getuid, lookupUser, type OpenFilesLimit } from '#core/linux/index.js';
import { ActivationEnvironment, type BusType } from '#bridge/activation/activation-environment.js';
import type { LaunchIdentity } from '#bridge/activation/launch-command.js';
import {
  resolveServiceDirectories,
  type ServiceDirectory,
} from '#bridge/activation/service-directories.js';
import type { BusConfig } from '#policy/index.js';
import { callerEnvironment } from './caller-environment.js';
import { originalOpenFilesLimit } from './open-files-limit.js';

/** The settings of a bus that concern the services it starts. */
export interface ActivationSettings {
  readonly directories: readonly ServiceDirectory[];
  readonly environment: ActivationEnvironment;
  readonly identity: LaunchIdentity;
  /** The value of DBUS_STARTER_BUS_TYPE; undefined for a bus of another <type>, or of none. */
  readonly busType: BusType | undefined;
  /** --systemd-activation: services that systemd knows are started by it. */
  readonly usesSystemd: boolean;
  /** The limit that services get; the bus raises its own. */
  readonly openFilesLimit: OpenFilesLimit;
}

export function activationSettings(config: BusConfig, usesSystemd: boolean): ActivationSettings {
  const inherited = callerEnvironment(process.env);
  return {
    directories: resolveServiceDirectories(config.serviceDirectories, withHome(inherited)),
    environment: new ActivationEnvironment(inherited),
    identity: identityOf(config),
    busType: busTypeOf(config),
    usesSystemd,
    openFilesLimit: originalOpenFilesLimit(process.env),
  };
}

/** The database of users is asked only where the environment does not say: that takes a while. */
function withHome(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (environment['HOME'] !== undefined) return environment;
  const home = lookupUser(getuid())?.home;
  return home === undefined ? environment : { ...environment, HOME: home };
}

function busTypeOf({ busType }: BusConfig): BusType | undefined {
  return busType === 'session' || busType === 'system' ? busType : undefined;
}

/** Only a bus with a <servicehelper> starts services as other users; root needs no help for that. */
function identityOf({ serviceHelper }: BusConfig): LaunchIdentity {
  if (serviceHelper === undefined) return { kind: 'same-user' };
  if (geteuid() === 0) return { kind: 'switch-user', lookupUser };
  return { kind: 'helper', helper: serviceHelper };
}
