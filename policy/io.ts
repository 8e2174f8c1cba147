import { leadingInteger } from './integer.js';

/** Why a file or directory could not be read; `code` is the errno name ('ENOENT', 'EACCES'). */
export interface IoFailure {
  readonly code: string;
  readonly message: string;
}

/** Everything the configuration reader needs from the world, so that it does no I/O itself. */
export interface PolicyIo {
  /** The file's text, decoded from UTF-8. */
  readFile(path: string): string | IoFailure;
  /** The names in a directory, in any order. */
  readDirectory(path: string): readonly string[] | IoFailure;
  /** The uid of a user name, undefined if there is no such user. */
  lookupUser(name: string): number | undefined;
  /** The gid of a group name, undefined if there is no such group. */
  lookupGroup(name: string): number | undefined;
  /** Whether <include if_selinux_enabled="yes"> counts; false when absent. */
  readonly selinuxEnabled?: boolean;
  /** The directory that <include selinux_root_relative="yes"> is relative to. */
  readonly selinuxPolicyRoot?: string;
}

/** The greatest valid uid or gid; 2^32 - 1 stands for none. */
const ID_MAX = 2 ** 32 - 2;

/** A uid from a user name or a number. */
export function resolveUser(text: string, io: PolicyIo): number | undefined {
  return idOf(text) ?? io.lookupUser(text);
}

/** A gid from a group name or a number. */
export function resolveGroup(text: string, io: PolicyIo): number | undefined {
  return idOf(text) ?? io.lookupGroup(text);
}

function idOf(text: string): number | undefined {
  const { value, rest } = leadingInteger(text) ?? { value: -1, rest: '' };
  return rest === '' && value >= 0 && value <= ID_MAX ? value : undefined;
}
