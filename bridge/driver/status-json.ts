import type { DenialRow } from '#bridge/registry/denials.js';
import type { HostStatus } from '#bridge/registry/host-report.js';

/** The processes that carry the messages of a bus. */
export interface BusStatus {
  readonly authority: HostStatus;
  /** only the authority's own process, when it carries the connections itself */
  readonly hosts: readonly HostStatus[];
  readonly natives: readonly {
    readonly name: string;
    readonly process: number;
    readonly pid: number | undefined;
  }[];
}

/*
 * The JSON of org.bus1.Status. Its types are not checked when it is decoded: it comes from the bus itself, which these
 * commands come with, and all that they do is to show it.
 */

export function encodeStatus(status: BusStatus): string {
  return JSON.stringify(status);
}

export function decodeStatus(json: string): BusStatus {
  return JSON.parse(json);
}

export function encodeDenials(rows: readonly DenialRow[]): string {
  return JSON.stringify(rows);
}

export function decodeDenials(json: string): DenialRow[] {
  return JSON.parse(json);
}
