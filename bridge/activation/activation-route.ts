import { SYSTEMD_NAME } from './systemd.js';
import type { Service } from './service-file.js';

/** How a name that has no owner can be activated. */
export type ActivationRoute =
  | { readonly kind: 'unknown' }
  /** Start the program named by the service file. */
  | { readonly kind: 'spawn'; readonly service: Service }
  /** Send systemd an ActivationRequest, or park the request until systemd is on the bus. */
  | { readonly kind: 'systemd'; readonly service: Service; readonly unit: string }
  /** Only wait: systemd connects by itself. */
  | { readonly kind: 'await-systemd' };

/** Chooses the route as dbus-daemon does, with or without its option --systemd-activation. */
export function chooseActivationRoute(
  name: string,
  service: Service | undefined,
  systemdActivation: boolean,
): ActivationRoute {
  if (systemdActivation && name === SYSTEMD_NAME) return { kind: 'await-systemd' };
  if (service === undefined) return { kind: 'unknown' };
  if (systemdActivation && service.systemdUnit !== undefined) {
    return { kind: 'systemd', service, unit: service.systemdUnit };
  }
  return { kind: 'spawn', service };
}
