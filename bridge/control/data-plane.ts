import { receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';

import { randomBytes, requestSlice } from '#core/linux/index.js';
import { Host } from '#bridge/host/host.js';
import type { HostOptions, HostOutput } from '#bridge/host/host-options.js';
import type { HostParts } from '#bridge/host/host-parts.js';
import type { HostCommand, HostEvent } from '#bridge/host/thread-messages.js';
import { RestrictedListeners } from '#bridge/sandbox/restricted-listeners.js';
import type { UplinkOptions } from '#bridge/uplink/uplink-options.js';
import type { Mapping } from '#mappings/index.js';

import { CookieKeyring } from './cookie-keyring.js';
import type { KeyringLocation } from './keyring.js';

/** The shortest that Linux grants: on a busy machine no message waits for the time slice of a program that computes. */
const SLICE_NS = 100_000;

/** What the thread is started with. */
export interface HostThreadData {
  readonly port: MessagePort;
  readonly options: HostOptions;
  /** absent: DBUS_COOKIE_SHA1 is not offered */
  readonly keyring?: KeyringLocation | undefined;
  /** an existing bus that this one is attached to */
  readonly uplink?: UplinkOptions | undefined;
  /** how native peers reach services; only where the registry is */
  readonly mappings?: readonly Mapping[] | undefined;
}

/* the control plane is the same program, and starts this thread with such data (DataPlane) */
const started: HostThreadData = workerData;
const { port, options, keyring, uplink, mappings = [] } = started;

function post(event: HostEvent): void {
  port.postMessage(event);
}

const output: HostOutput = {
  log: (level, message, fields) => post({ type: 'log', level, message, fields }),
  ask: post,
  commands(host) {
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
      carryOut(host, next.message);
    }
  },
};

function carryOut(host: Host, command: HostCommand): void {
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
      host.reloads.answer(command.request, command.failure);
      break;
    default:
      host.activator.carryOut(command);
  }
}

/** Loads parts that few buses have only where they are needed. */
async function parts(): Promise<HostParts> {
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

/**
 * The data plane. It blocks in epoll_wait and never returns to Node's event loop: messages of the control plane are
 * fetched when the wake-up descriptor becomes readable.
 *
 * @param started is called when clients can connect
 */
export async function run(started: () => void): Promise<void> {
  requestSlice(SLICE_NS);
  try {
    const host = new Host(options, await parts(), output);
    post({ type: 'ready', wakeupFd: host.wakeupFd });
    /* carries out what was posted before the host could be woken */
    output.commands(host);
    started();
    host.run();
    post({ type: 'stopped' });
  } catch (error) {
    post({
      type: 'failed',
      message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
  port.close();
}
