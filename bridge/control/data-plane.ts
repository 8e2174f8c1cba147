import { randomBytes, requestSlice } from '#core/linux/index.js';
import { Host } from '#bridge/host/host.js';
import type { HostOptions, HostOutput } from '#bridge/host/host-options.js';
import type { HostParts } from '#bridge/host/host-parts.js';
import type { HostCommand, HostEvent } from '#bridge/host/thread-messages.js';
import { RestrictedListeners } from '#bridge/sandbox/restricted-listeners.js';
import type { UplinkOptions } from '#bridge/uplink/uplink-options.js';
import type { Mapping } from '#mappings/index.js';

import { CookieKeyring, type KeyringLocation } from './cookie-keyring.js';

/** The shortest time slice that Linux grants: with a longer one, other programs run longer before a message does. */
const SLICE_NS = 100_000;

/** What a host is started with: plain data, which is sent to the thread or the process that it gets. */
export interface HostJob {
  readonly options: HostOptions;
  /** absent: DBUS_COOKIE_SHA1 is not offered */
  readonly keyring?: KeyringLocation | undefined;
  /** an existing bus that this one is attached to */
  readonly uplink?: UplinkOptions | undefined;
  /** how native peers reach services; only where the registry is */
  readonly mappings?: readonly Mapping[] | undefined;
}

/**
 * Makes the data plane of this thread, which `Host.run` then turns into its loop.
 *
 * @param fetch called when the wake-up descriptor is readable: carries out the commands of the control plane
 */
export async function createHost(
  job: HostJob,
  post: (event: HostEvent) => void,
  fetch: (host: Host) => void = () => {},
): Promise<Host> {
  requestSlice(SLICE_NS);
  const output: HostOutput = {
    log: (level, message, fields) => post({ type: 'log', level, message, fields }),
    ask: post,
    commands: fetch,
  };
  return new Host(job.options, await parts(job), output);
}

export function carryOut(host: Host, command: HostCommand): void {
  switch (command.type) {
    case 'stop':
      host.stop();
      break;
    case 'dwindle':
      host.dwindle();
      break;
    case 'admit-host':
      host.peers?.admitHost(command.fd);
      break;
    case 'reload':
      host.reload(command.rules, command.limits);
      break;
    case 'config-reloaded':
      host.reloads.answer(command.failure);
      break;
    default:
      host.activator.carryOut(command);
  }
}

/** Loads parts that few buses have only where they are needed. */
async function parts({ keyring, uplink, mappings = [] }: HostJob): Promise<HostParts> {
  const nowSeconds = (): number => Date.now() / 1000;
  const { Attachment } = uplink ? await import('#bridge/uplink/attachment.js') : {};
  const { Translator } =
    mappings.length > 0 ? await import('#bridge/translation/translator.js') : {};
  return {
    randomBytes,
    ...(keyring && { cookies: new CookieKeyring({ ...keyring, randomBytes, nowSeconds }) }),
    ...(uplink && Attachment && { attach: (host) => new Attachment(host, uplink) }),
    sandboxes: (host) => new RestrictedListeners(host),
    ...(Translator && { translate: (host) => new Translator(host, mappings) }),
  };
}

/** What the control plane is told of an error that ends a host. */
export function failureEvent(error: unknown): HostEvent {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { type: 'failed', message };
}
