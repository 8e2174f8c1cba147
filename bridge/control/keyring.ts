import { join } from 'node:path';
import { lookupUser } from '#core/linux/index.js';

/** Where the cookies of DBUS_COOKIE_SHA1 are, and whom they prove. */
export interface KeyringLocation {
  readonly directory: string;
  readonly uid: number;
  readonly userName: string;
}

/** The keyring of a user: D-Bus specification, "DBUS_COOKIE_SHA1". Undefined for one without a home. */
export function keyringOf(uid: number): KeyringLocation | undefined {
  const user = lookupUser(uid);
  if (user === undefined) return undefined;
  return { directory: join(user.home, '.dbus-keyrings'), uid, userName: user.name };
}
