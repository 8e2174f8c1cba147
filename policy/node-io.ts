import { readdirSync, readFileSync } from 'node:fs';
import type { IoFailure, PolicyIo } from './io.js';

function failure(error: unknown): IoFailure {
  if (!(error instanceof Error)) return { code: 'EIO', message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'EIO';
  return {
    code: code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'EILSEQ' : code,
    message: error.message,
  };
}

function attempt<T>(action: () => T): T | IoFailure {
  try {
    return action();
  } catch (error) {
    return failure(error);
  }
}

/** A PolicyIo over node:fs. User and group lookup need the C library, so they are handed in. */
export function nodePolicyIo(lookups: Omit<PolicyIo, 'readFile' | 'readDirectory'>): PolicyIo {
  return {
    ...lookups,
    readFile: (path) =>
      attempt(() => new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))),
    readDirectory: (path) => attempt(() => readdirSync(path)),
  };
}
