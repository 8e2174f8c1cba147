import type { ActivationFailure } from '#bridge/driver/activation-failure.js';
import type { EnvironmentChange } from '#bridge/driver/service-starter.js';
import type { ServiceTableData } from './service-table.js';

/** What a host needs to know about services: the files, and how the bus was set up to use them. */
export interface ActivationFacts {
  readonly table: ServiceTableData;
  /** --systemd-activation */
  readonly usesSystemd: boolean;
  /** Whether clients may change the environment of services; they may not where services run as other users. */
  readonly isEnvironmentOpen: boolean;
}

/** From the control plane to a host. */
export type ActivationCommand =
  | { readonly type: 'services'; readonly facts: ActivationFacts }
  /** Answers 'look-up-service'; the list of services has been sent before this. */
  | { readonly type: 'service-looked-up'; readonly name: string }
  | {
      readonly type: 'service-failed';
      readonly name: string;
      readonly failure: ActivationFailure;
    };

/** From a host to the control plane. */
export type ActivationRequest =
  /** The directories may have changed since the list of services was sent: asks about one name. */
  | { readonly type: 'look-up-service'; readonly name: string }
  | { readonly type: 'start-service'; readonly name: string }
  /** The service has not taken its name before the deadline. */
  | { readonly type: 'kill-service'; readonly name: string }
  | { readonly type: 'change-environment'; readonly change: EnvironmentChange };
