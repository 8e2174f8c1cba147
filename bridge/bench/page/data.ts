/** What the report hands to its page. */
export interface PageData {
  readonly tables: readonly PageTable[];
}

export interface PageTable {
  readonly id: string;
  /** title of the contender that the others are compared with */
  readonly reference: string;
  readonly lines: readonly PageLine[];
  readonly memory: readonly PageMemory[];
}

export interface PageLine {
  /** of the row */
  readonly title: string;
  /** title of the contender */
  readonly bus: string;
  readonly unit: 'us' | 'per second' | 'KiB';
  /** median */
  readonly value: number;
  readonly advantage?:
    | { readonly value: number; readonly low: number; readonly high: number }
    | undefined;
  /** in microseconds */
  readonly p99?: number | undefined;
  readonly p999?: number | undefined;
  readonly worst?: number | undefined;
  readonly cpuUs?: number | undefined;
  /** bytes of the body, of a round trip */
  readonly payload?: number | undefined;
  readonly subscribers?: number | undefined;
}

export interface PageMemory {
  /** when */
  readonly title: string;
  readonly bus: string;
  readonly mib: number;
}
