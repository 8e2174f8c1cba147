import type { Handle, Peer } from '#core/index.js';

import type { Connection } from './connection.js';
import type { Departure, Mirror, Publication, ReportRequest } from './mirrors.js';
import type { Monitor } from './monitors.js';
import type { FiledName } from './registry.js';
import type { Synchronisation } from './replica.js';

/** What a directory, the registry or a replica, keeps with the nodes of its peer. */
export type DirectoryNodeContext = Connection | Publication | ReportRequest | Synchronisation;

/** What it keeps with its handles: the connection of an inbox, or what else they lead to. */
export type DirectoryHandleContext = Connection | FiledName | Monitor | Mirror | Departure;

export type DirectoryPeer = Peer<DirectoryNodeContext, DirectoryHandleContext>;
export type DirectoryHandle = Handle<DirectoryHandleContext>;
