import { readdirSync } from 'node:fs';
import type { IoFailure, PolicyIo } from './io.js';
import { readRegularFile } from './regular-file.js';

/** The largest file that dbus-daemon reads: _dbus_file_get_contents. */
const FILE_BYTES_MAX = 1024 * 1024;

function failure(error: unknown): IoFailure {
  if (!(error instanceof Error)) return { code: 'EIO', message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'EIO';
  return {
    code: code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'EILSEQ' : code,
    message: withoutCallAndCode(error.message),
  };
}

/** Node says "ENOENT: no such file or directory, open '/path'"; code and path are told by who reports the failure. */
const withoutCallAndCode = (message: string): string =>
  message.replace(/^[A-Z0-9]+: (.*?), \w+(?: '.*')?$/su, '$1');

function attempt<T>(action: () => T): T | IoFailure {
  try {
    return action();
  } catch (error) {
    return failure(error);
  }
}

/** UTF-8, or UTF-16 if a byte order mark says so; like dbus-daemon, whatever a declaration says. */
function decode(bytes: Uint8Array): string {
  return new TextDecoder(encodingOf(bytes), { fatal: true }).decode(bytes);
}

function encodingOf([first, second]: Uint8Array): string {
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
}

/** A PolicyIo over node:fs. User and group lookup need the C library, so they are handed in. */
export function nodePolicyIo(lookups: Omit<PolicyIo, 'readFile' | 'readDirectory'>): PolicyIo {
  return {
    ...lookups,
    readFile: (path) => attempt(() => decode(readRegularFile(path, FILE_BYTES_MAX))),
    readDirectory: (path) => attempt(() => readdirSync(path)),
  };
}
