import { NAME_MAX_LENGTH } from '#bridge/wire/limits.js';

import type { ConnectionFigures } from './connection.js';
import type { DenialRow } from './denials.js';
import {
  i32,
  integer,
  integers,
  list,
  nullable,
  prose,
  record,
  text,
  type FieldType,
} from './field-types.js';

/** A host of a bus, with counts of what it holds. */
export interface HostStatus {
  /** its process in the domain; 0: the bus has no domain */
  readonly process: number;
  readonly pid: number;
  readonly connections: number;
  readonly peers: number;
  readonly nodes: number;
  readonly handles: number;
  /** to other processes of the domain */
  readonly channels: number;
  /** messages delivered to its peers since it started */
  readonly messages: number;
  /** how many facets it has compiled for two parties, and how many messages facets have checked, since it started */
  readonly facetsCompiled: number;
  readonly facetChecks: number;
}

/** A host's account of itself and its connections. */
export interface HostReport {
  readonly status: HostStatus;
  readonly denials: readonly DenialRow[];
  /** by number (envelope.ts) */
  readonly figures: readonly { readonly number: number; readonly of: ConnectionFigures }[];
}

const STATUS: FieldType<HostStatus> = integers(
  'process',
  'pid',
  'connections',
  'peers',
  'nodes',
  'handles',
  'channels',
  'messages',
  'facetsCompiled',
  'facetChecks',
);

const LINE = prose(1 << 13);

const DENIAL: FieldType<DenialRow> = record({
  program: nullable(LINE),
  uid: nullable(integer),
  pid: nullable(integer),
  name: text(NAME_MAX_LENGTH),
  message: LINE,
  why: LINE,
  rule: nullable(LINE),
  count: integer,
  firstMs: integer,
  lastMs: integer,
});

const FIGURES: FieldType<ConnectionFigures> = integers(
  'incomingMessages',
  'incomingBytes',
  'outgoingMessages',
  'outgoingBytes',
  'waitingIncomingBytes',
  'waitingIncomingDescriptors',
  'waitingOutgoingMessages',
  'waitingOutgoingBytes',
  'waitingOutgoingDescriptors',
  'peakOutgoingBytes',
  'pendingCalls',
  'owedReplies',
  'destinations',
);

export const HOST_REPORT: FieldType<HostReport> = record({
  status: STATUS,
  denials: list(DENIAL, 1 << 16),
  figures: list(record({ number: i32, of: FIGURES }), 1 << 20),
});
