import { readFileSync } from 'node:fs';
import { errnoOf, textOf } from './startup-error.js';

/** Why a file cannot be read: which one, and the kernel's reason. */
export class FileError extends Error {
  readonly code: string | undefined;

  constructor(path: string, cause: unknown) {
    super(`cannot read "${path}": ${fileReason(cause)}`, { cause });
    this.name = 'FileError';
    this.code = errnoOf(cause);
  }
}

/** @throws FileError */
export function readFileText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new FileError(path, error);
  }
}

const FROM_NODE = /^([A-Z][A-Z0-9]+): (.*?), (\w+)(?: '(.*)')?$/su;

/** Node says "ENOENT: no such file or directory, open '/path'"; this keeps the code and what it means. */
export function fileReason(error: unknown): string {
  const text = textOf(error);
  const [, code, meaning] = FROM_NODE.exec(text) ?? [];
  return code === undefined ? text : `${code} (${meaning})`;
}

/** The text of an error that nobody has put into words: what was tried, with which file, and why it failed. */
export function textOfUnforeseen(error: unknown): string {
  const text = textOf(error);
  const [, code, meaning, call, path] = FROM_NODE.exec(text) ?? [];
  if (code === undefined) return text;
  return `cannot ${call}${path === undefined ? '' : ` "${path}"`}: ${code} (${meaning})`;
}
