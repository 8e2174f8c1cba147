import { groupsOf, lookupUser } from '#core/linux/index.js';
import type { ClientIdentity } from '#policy/index.js';

/** A user's identity for the policy, by name or uid; undefined if there is no such user. */
export function userIdentity(nameOrUid: string | number): ClientIdentity | undefined {
  const user = lookupUser(nameOrUid);
  if (user === undefined) return undefined;
  return { uid: user.uid, gids: groupsOf(user), atConsole: false };
}
