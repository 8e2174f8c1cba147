import { readFileSync, readlinkSync, statSync } from 'node:fs';

import type { Credentials } from '#bridge/registry/connection.js';
import { NamePatterns } from './name-patterns.js';
import type { ConfinedGrant } from './uplink-options.js';

/** What separates a client from the user who runs the bridge. */
export interface Confinement {
  /** as grants name it: uid:1000, flatpak:com.example.App, snap:firefox, root:/srv/jail, unknown */
  readonly key: string;
  /** describes the confinement, for the error text */
  readonly text: string;
}

/**
 * How a client is confined; undefined: it is not. On the other bus an uplink has the bridge's credentials, which a
 * confined client must not borrow.
 */
export function confinementOf(
  { uid, pid }: Credentials,
  ownUid: number,
  proc = '/proc',
): Confinement | undefined {
  if (uid === undefined || pid === undefined) {
    return { key: 'unknown', text: 'its process is unknown' };
  }
  if (uid !== ownUid)
    return { key: `uid:${uid}`, text: `it belongs to uid ${uid}, the bridge to uid ${ownUid}` };
  return flatpakOf(pid, proc) ?? groupOf(pid, proc) ?? rootOf(pid, proc);
}

/** The names that a confined client may reach because of grants; none if no grant names it. */
export function reachOf({ key }: Confinement, grants: readonly ConfinedGrant[]): NamePatterns {
  const sort = `${key.split(':')[0]}:*`;
  const own = grants.filter(({ client }) => client === '*' || client === sort || client === key);
  return new NamePatterns(own.flatMap(({ names }) => names));
}

/** Flatpak puts this file into the sandbox, where everyone can read it (flatpak-run(1)). */
function flatpakOf(pid: number, proc: string): Confinement | undefined {
  const info = read(`${proc}/${pid}/root/.flatpak-info`);
  if (info === undefined) return undefined;
  const app = /^(?:name|runtime)=(.+)$/mu.exec(info)?.[1] ?? 'unknown';
  return { key: `flatpak:${app}`, text: `it is the Flatpak application ${app}` };
}

/** systemd scopes of sandboxed applications: app-flatpak-ID-NUMBER.scope and snap.NAME.COMMAND….scope. */
function groupOf(pid: number, proc: string): Confinement | undefined {
  const groups = read(`${proc}/${pid}/cgroup`) ?? '';
  const flatpak = /\/app-flatpak-(.+?)-\d+\.scope$/mu.exec(groups)?.[1];
  if (flatpak !== undefined)
    return { key: `flatpak:${flatpak}`, text: `it is the Flatpak application ${flatpak}` };
  const snap = /\/snap\.([^./]+)\.[^/]*\.(?:scope|service)$/mu.exec(groups)?.[1];
  return snap === undefined
    ? undefined
    : { key: `snap:${snap}`, text: `it belongs to the snap ${snap}` };
}

/** A process may forbid others to inspect it (prctl(2), PR_SET_DUMPABLE): that alone does not make it confined. */
function rootOf(pid: number, proc: string): Confinement | undefined {
  const own = statSync('/');
  const root = directory(`${proc}/${pid}/root/`);
  if (root === undefined || (root.dev === own.dev && root.ino === own.ino)) return undefined;
  return {
    key: `root:${target(`${proc}/${pid}/root`)}`,
    text: 'it has another root directory, as in a container',
  };
}

function directory(path: string): { readonly dev: number; readonly ino: number } | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Also "/" for a process in another mount namespace. */
function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '/';
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
