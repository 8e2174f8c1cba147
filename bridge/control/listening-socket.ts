import { lstatSync, unlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Address } from '#bridge/wire/address.js';
import { StartupError, errnoOf, textOf } from './startup-error.js';

/** A socket on which the bus listens. The control plane opens it, a host accepts on it. */
export interface ListeningSocket {
  readonly fd: number;
  /** The address that clients connect to, without the guid; undefined if it is not known. */
  readonly address: Address | undefined;
  /** What a client of nonce-tcp has to send before anything else. */
  readonly nonce?: Uint8Array;
  /** Removes the files that belong to the socket, if they are still its own. */
  remove(): void;
}

export function addressOf(transport: string, options: Record<string, string>): Address {
  return { transport, options: new Map(Object.entries(options)) };
}

/** Returns a function that unlinks `path` unless another file has taken its place. */
export function removalOf(file: string): () => void {
  const path = resolve(file);
  const mine = lstatSync(path, { bigint: true });
  return () => {
    try {
      const now = lstatSync(path, { bigint: true, throwIfNoEntry: false });
      if (now?.ino === mine.ino && now.dev === mine.dev) unlinkSync(path);
    } catch {
      // After giving up its privileges, the bus may not remove the file; the next bus replaces it.
    }
  };
}

const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'give the user of the bus write permission to the directory, or choose another address',
  EADDRINUSE: 'stop the program that listens there, or choose another address',
  EADDRNOTAVAIL: 'choose an address that this machine has, or bind=*',
  EHOSTUNKNOWN: 'or choose another host',
  ENAMETOOLONG: 'choose a shorter path',
  ENOENT: 'create the directory, or choose another address',
  EROFS: 'choose a directory on a file system that can be written to',
};

/** The error for an address that cannot be listened on; `todo`: advice, if more is known than the errno. */
export function cannotListen(address: string, why: unknown, todo?: string): StartupError {
  const advice = todo ?? ADVICE[errnoOf(why) ?? ''] ?? 'correct it, or choose another address';
  const message = `cannot listen on "${address}": ${textOf(why)}; ${advice}`;
  return new StartupError('cannot-listen', message, why);
}
