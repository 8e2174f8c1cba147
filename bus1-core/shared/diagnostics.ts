import type { PeerCredentials } from '../linux/index.js';

/** How many lines about processes of one user are reported in a window; further ones are counted. */
const LINES_PER_WINDOW = 10;
/** The length of a window. */
const WINDOW_MS = 10_000;
/** The most users for whom lines are counted. */
const USERS_MAX = 1024;

interface Window {
  endMs: number;
  lines: number;
  leftOut: number;
}

/** Describes another process, for a diagnostic. */
export function describeProcess(
  { pid, uid }: Pick<PeerCredentials, 'pid' | 'uid'>,
  executable: string,
): string {
  return `pid ${pid}, uid ${uid}, ${executable === '' ? 'executable unknown' : executable}`;
}

/**
 * Diagnostics about other processes. Each process can cause as many as it likes, so those about one user are
 * limited.
 */
export class Diagnostics {
  private readonly listener: ((text: string) => void) | undefined;
  private readonly byUid = new Map<number, Window>();

  constructor(listener: ((text: string) => void) | undefined) {
    this.listener = listener;
  }

  /** Reports something that no other process can provoke. */
  say(text: string): void {
    this.listener?.(text);
  }

  /** Reports something that a process of `uid` has caused, within the limits. */
  sayAbout(uid: number, text: string): void {
    const nowMs = performance.now();
    let window = this.byUid.get(uid);
    if (window === undefined || nowMs >= window.endMs) {
      const leftOut = window?.leftOut ?? 0;
      if (leftOut > 0) this.say(`${leftOut} diagnostics about processes of uid ${uid} suppressed`);
      if (this.byUid.size >= USERS_MAX) this.byUid.clear();
      window = { endMs: nowMs + WINDOW_MS, lines: 0, leftOut: 0 };
      this.byUid.set(uid, window);
    }
    if (++window.lines <= LINES_PER_WINDOW) this.say(text);
    else window.leftOut++;
  }
}
