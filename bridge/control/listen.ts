import { AddressError, formatAddress, parseAddresses, type Address } from '#bridge/wire/address.js';
import { listenOnInherited } from './listen-systemd.js';
import { listenOnTcp } from './listen-tcp.js';
import { listenOnUnix } from './listen-unix.js';
import { cannotListen, type ListeningSocket } from './listening-socket.js';
import { StartupError } from './startup-error.js';

/**
 * Opens the sockets for `addresses`. Each is a list of alternatives, as in dbus-daemon, of which the first one that
 * works is taken. Throws StartupError, with nothing left open, if none works.
 */
export function listenOnAll(
  addresses: readonly string[],
  environment: NodeJS.ProcessEnv,
): ListeningSocket[] {
  if (addresses.length === 0) {
    const todo = 'add a <listen> element or the option --address';
    throw new StartupError('no-address', `the configuration has no address to listen on; ${todo}`);
  }
  const sockets: ListeningSocket[] = [];
  try {
    for (const text of addresses) sockets.push(...listenOnFirst(text, environment));
    return sockets;
  } catch (error) {
    for (const socket of sockets) socket.remove();
    throw error;
  }
}

/** The address that clients connect to, as dbus-daemon prints it. */
export function printedAddress(sockets: readonly ListeningSocket[], guid: string): string {
  return sockets
    .flatMap(({ address }) => (address === undefined ? [] : [address]))
    .map(({ transport, options }) => {
      return formatAddress({ transport, options: new Map([...options, ['guid', guid]]) });
    })
    .join(';');
}

function listenOnFirst(text: string, environment: NodeJS.ProcessEnv): ListeningSocket[] {
  const alternatives = parseAddresses(text);
  if (alternatives instanceof AddressError) {
    throw new StartupError('bad-address', `${alternatives.message}; correct it`, alternatives);
  }
  let failure: unknown;
  for (const address of alternatives) {
    try {
      return listenOn(address, environment);
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

function listenOn(address: Address, environment: NodeJS.ProcessEnv): ListeningSocket[] {
  switch (address.transport) {
    case 'unix':
      return [listenOnUnix(address, environment)];
    case 'tcp':
    case 'nonce-tcp':
      return [listenOnTcp(address)];
    case 'systemd':
      return listenOnInherited(environment);
    default: {
      const why = `a bus cannot listen on "${address.transport}"`;
      throw cannotListen(formatAddress(address), why, 'use unix, tcp, nonce-tcp or systemd');
    }
  }
}
