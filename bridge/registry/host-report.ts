import { deserialize, serialize } from 'node:v8';

import type { ConnectionFigures } from './connection.js';
import type { DenialRow } from './denials.js';

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

/** A host's answer to `ControlCode.Report`. */
export interface HostReport {
  readonly status: HostStatus;
  readonly denials: readonly DenialRow[];
  /** by number (envelope.ts) */
  readonly figures: readonly (readonly [number, ConnectionFigures])[];
}

export function encodeReport(report: HostReport): Uint8Array {
  return serialize(report);
}

/** Only hosts of the bus send reports, and they run the same program: this type is theirs. */
export function decodeReport(bytes: Uint8Array): HostReport {
  return deserialize(bytes);
}
