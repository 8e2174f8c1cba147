import type {
  ActivationCommand,
  ActivationRequest,
} from '#bridge/activation/activation-messages.js';
import type { ReloadFailure } from '#bridge/driver/bus-settings.js';
import type { BusLimits, PolicyRules } from '#policy/index.js';

import type { LogLevel } from './host-options.js';

/** From the control plane to a host's thread. After posting, write to its wake-up descriptor. */
export type HostCommand =
  | { readonly type: 'stop' }
  /** accepts no more clients and stops when the last one leaves: the registry, which would admit them, is gone */
  | { readonly type: 'dwindle' }
  /** a connected socket of a process that is to be a host of this bus */
  | { readonly type: 'admit-host'; readonly fd: number }
  | { readonly type: 'reload'; readonly rules: PolicyRules; readonly limits: BusLimits }
  /** answers 'reload-config'; `failure` says why the configuration stays as it was */
  | {
      readonly type: 'config-reloaded';
      readonly failure: ReloadFailure | undefined;
    }
  | ActivationCommand;

/** Requests of a host to the control plane. */
export type HostRequest = { readonly type: 'reload-config' } | ActivationRequest;

/** From a host's thread to the control plane. */
export type HostEvent =
  | HostRequest
  | { readonly type: 'ready'; readonly wakeupFd: number }
  | {
      readonly type: 'log';
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Record<string, unknown>;
    }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly message: string };
