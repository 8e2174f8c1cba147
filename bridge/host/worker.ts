import { randomBytes } from 'node:crypto';
import { receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';

import { CookieKeyring } from '#bridge/control/cookie-keyring.js';
import type { KeyringLocation } from '#bridge/control/keyring.js';

import { Host } from './host.js';
import type { HostOptions, HostOutput } from './host-options.js';
import type { HostCommand, HostEvent } from './thread-messages.js';

/** What the thread is started with. */
export interface HostThreadData {
  readonly port: MessagePort;
  readonly options: Omit<HostOptions, 'randomBytes' | 'cookies'>;
  /** absent: DBUS_COOKIE_SHA1 is not on offer */
  readonly keyring?: KeyringLocation | undefined;
}

/**
 * Entry of the data plane's thread. It blocks in epoll_wait and never returns to Node's event loop: what the control
 * plane posts is fetched when the wake-up descriptor says that there is something.
 */
const { port, options, keyring } = workerData as HostThreadData;

function post(event: HostEvent): void {
  port.postMessage(event);
}

const output: HostOutput = {
  log: (level, message, fields) => post({ type: 'log', level, message, fields }),
  ask: post,
  commands(host) {
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
      carryOut(host, next.message as HostCommand);
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

function cookies(): Pick<HostOptions, 'cookies'> {
  if (keyring === undefined) return {};
  const nowSeconds = (): number => Date.now() / 1000;
  return { cookies: new CookieKeyring({ ...keyring, randomBytes, nowSeconds }) };
}

try {
  const host = new Host({ ...options, ...cookies(), randomBytes }, output);
  post({ type: 'ready', wakeupFd: host.wakeupFd });
  /* what was posted before there was a host to wake */
  output.commands(host);
  host.run();
  post({ type: 'stopped' });
} catch (error) {
  post({
    type: 'failed',
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
}
port.close();
