import type { ConnectionFigures } from './connection.js';
import type { DenialRow } from './denials.js';

/** A host of a bus, and what there is in it. */
export interface HostStatus {
  /** of the domain; 0: the bus has no domain */
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
  /** how often it has asked the policy about two parties, and compared a message with rules, since it started */
  readonly facetsCompiled: number;
  readonly facetChecks: number;
}

/** What a host tells the registry when it is asked. */
export interface HostReport {
  readonly status: HostStatus;
  readonly denials: readonly DenialRow[];
  /** by number (envelope.ts) */
  readonly figures: readonly (readonly [number, ConnectionFigures])[];
}
