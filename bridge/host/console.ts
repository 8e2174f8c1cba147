import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The files that say who is logged in at this machine. */
export interface ConsolePaths {
  /** has a file for each user at the console (pam_console(8); dbus-daemon uses the same) */
  readonly consoleDirectory: string;
  /** has a file for each uid, with its seats (systemd-logind) */
  readonly usersDirectory: string;
}

export const CONSOLE_PATHS: ConsolePaths = {
  consoleDirectory: '/run/console',
  usersDirectory: '/run/systemd/users',
};

/** Whether a user is logged in at this machine, for `<policy at_console="…">`. */
export function isAtConsole(uid: number, name: string | undefined, paths: ConsolePaths): boolean {
  if (name !== undefined && existsSync(join(paths.consoleDirectory, name))) return true;
  try {
    const state = readFileSync(join(paths.usersDirectory, `${uid}`), 'utf8');
    return /^SEATS=\s*\S/mu.test(state);
  } catch {
    return false;
  }
}
