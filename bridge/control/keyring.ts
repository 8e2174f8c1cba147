import { join } from 'node:path';
import { getuid, lookupUser } from '#core/linux/index.js';

/** Where the cookies of DBUS_COOKIE_SHA1 are, and which user they prove. */
export interface KeyringLocation {
  readonly directory: string;
  readonly uid: number;
  readonly userName: string;
}

/**
 * The keyring of the user that runs this process: D-Bus specification, "DBUS_COOKIE_SHA1". Like
 * libdbus it uses HOME, unless `hasChangedUser`. Undefined for a user without an entry.
 */
export function ownKeyring(hasChangedUser: boolean): KeyringLocation | undefined {
  const user = lookupUser(getuid());
  if (user === undefined) return undefined;
  const home = (hasChangedUser ? undefined : process.env['HOME']) || user.home;
  return { directory: join(home, '.dbus-keyrings'), uid: user.uid, userName: user.name };
}
