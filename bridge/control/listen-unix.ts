import { lstatSync, statSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeFd, connectUnix, listenUnix, randomBytes } from '#core/linux/index.js';
import { formatAddress, type Address } from '#bridge/wire/address.js';
import { addressOf, cannotListen, removalOf, type ListeningSocket } from './listening-socket.js';
import { errnoOf } from './startup-error.js';

/** The kernel cuts it down to net.core.somaxconn (listen(2)). */
export const BACKLOG = 4096;

/** Everyone may connect: authentication and policy decide who is admitted. */
export const SOCKET_MODE = 0o777;

/** D-Bus specification, "Unix Domain Sockets": exactly one of these says where to listen. */
const WHERE = ['path', 'dir', 'tmpdir', 'abstract', 'runtime'] as const;

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const RANDOM_LETTERS = 10;

export function listenOnUnix(address: Address, environment: NodeJS.ProcessEnv): ListeningSocket {
  const text = formatAddress(address);
  const [key, ...others] = WHERE.filter((name) => address.options.has(name));
  if (key === undefined || others.length > 0) {
    throw cannotListen(text, `it needs exactly one of ${WHERE.join(', ')}`);
  }
  const value = address.options.get(key)!;
  switch (key) {
    case 'abstract':
      return listenOnAbstract(text, value);
    case 'runtime':
      return listenOnPath(text, runtimePath(text, value, environment));
    case 'path':
      return listenOnPath(text, value);
    default:
      return listenOnPath(text, join(value, `dbus-${randomLetters()}`));
  }
}

/** An address in the user's runtime directory if there is one, otherwise in that for temporary files. */
export function privateAddress(environment: NodeJS.ProcessEnv): string {
  const runtime = environment['XDG_RUNTIME_DIR'];
  const usable =
    runtime !== undefined && statSync(runtime, { throwIfNoEntry: false })?.isDirectory();
  return formatAddress(addressOf('unix', { dir: usable ? runtime : tmpdir() }));
}

function runtimePath(text: string, value: string, environment: NodeJS.ProcessEnv): string {
  if (value !== 'yes') throw cannotListen(text, 'runtime can only be "yes"');
  const directory = environment['XDG_RUNTIME_DIR'];
  if (directory !== undefined && directory !== '') return join(directory, 'bus');
  const advice = 'set it to a directory of the user, or choose another address';
  throw cannotListen(text, 'XDG_RUNTIME_DIR is not set', advice);
}

function listenOnAbstract(text: string, name: string): ListeningSocket {
  try {
    const fd = listenUnix(`\0${name}`, { backlog: BACKLOG });
    return { fd, address: addressOf('unix', { abstract: name }), remove: () => {} };
  } catch (error) {
    throw cannotListen(text, error);
  }
}

function listenOnPath(text: string, path: string): ListeningSocket {
  try {
    removeStaleSocket(text, path);
    const fd = listenUnix(path, { backlog: BACKLOG, mode: SOCKET_MODE });
    return { fd, address: addressOf('unix', { path }), remove: removalOf(path) };
  } catch (error) {
    throw errnoOf(error) === 'cannot-listen' ? error : cannotListen(text, error);
  }
}

/** Removes the socket of a bus that was killed. A socket that is in use is left alone. */
export function removeStaleSocket(text: string, path: string): void {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file === undefined) return;
  if (!file.isSocket())
    throw cannotListen(text, 'there is a file that is not a socket', 'remove it');
  try {
    closeFd(connectUnix(path));
  } catch (error) {
    if (errnoOf(error) !== 'ECONNREFUSED') throw error;
    return unlinkSync(path);
  }
  throw cannotListen(text, 'another program listens there', 'stop it, or choose another address');
}

function randomLetters(): string {
  /*
   * 256 is not a multiple of 62: the first letters are slightly more likely, which is harmless with 62^10
   * combinations
   */
  return Array.from(randomBytes(RANDOM_LETTERS), (byte) => LETTERS[byte % LETTERS.length]).join('');
}
