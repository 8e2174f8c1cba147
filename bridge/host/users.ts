import { ResourceUser, type Maxima } from '#core/index.js';
import type { BusLimits } from '#policy/index.js';

/** Nodes, handles and waiting messages that one connection may account for on average. */
const OBJECTS_PER_CONNECTION = 16_384;

/** The most that may be charged to each user. */
export function maximaOf(limits: BusLimits): Maxima {
  const { maxConnectionsPerUser, maxOutgoingBytes, maxOutgoingUnixFds } = limits;
  return {
    objects: maxConnectionsPerUser * OBJECTS_PER_CONNECTION,
    bytes: maxConnectionsPerUser * maxOutgoingBytes,
    descriptors: maxConnectionsPerUser * maxOutgoingUnixFds,
  };
}

/** The resources of each user: enough for all connections that the user may have. */
export class Users {
  private readonly byUid = new Map<number, ResourceUser>();

  of(uid: number, limits: BusLimits): ResourceUser {
    let user = this.byUid.get(uid);
    if (user === undefined) {
      user = new ResourceUser(uid, maximaOf(limits));
      this.byUid.set(uid, user);
    }
    return user;
  }

  all(): Iterable<ResourceUser> {
    return this.byUid.values();
  }
}
