import { geteuid, lookupUser, setgid, setgroups, setuid, type User } from '#core/linux/index.js';
import { StartupError, textOf } from './startup-error.js';

/** The user that <user> names, looked up before anything is opened, so that a mistake is reported early. */
export function daemonUser(name: string): User {
  const user = lookupUser(name);
  if (user !== undefined) return user;
  const todo = 'create the user, or correct <user> in the configuration';
  throw new StartupError('cannot-change-user', `there is no user "${name}" to run as; ${todo}`);
}

/**
 * Becomes `user` with the user's main group and no other, for good: a bus needs no rights beyond
 * those, and dbus-daemon keeps none. All threads of the process change: nptl(7).
 */
export function becomeUser(user: User): void {
  if (geteuid() === user.uid) return;
  try {
    setgroups([]);
    setgid(user.gid);
    setuid(user.uid);
  } catch (error) {
    const todo = 'start as root, or take <user> out of the configuration';
    const message = `cannot become the user "${user.name}": ${textOf(error)}; ${todo}`;
    throw new StartupError('cannot-change-user', message, error);
  }
}
