import type { Handle, Peer } from '#core/index.js';

/**
 * Handles of one peer that are to be released later. Until then they may end, and their objects be used again for
 * others: IDs, which never are, tell which is which.
 */
export class NotedHandles<Context = unknown> {
  private readonly handles: readonly Handle<Context>[];
  private readonly ids: readonly number[];

  constructor(handles: readonly Handle<Context>[]) {
    this.handles = handles;
    this.ids = handles.map(({ id }) => id);
  }

  /** Releases those that `peer` still has, except those that `isKept` says stay. */
  releaseFrom(peer: Peer, isKept?: (index: number) => boolean): void {
    const left = this.handles.filter(
      (handle, i) =>
        handle.live && handle.owner === peer && handle.id === this.ids[i] && isKept?.(i) !== true,
    );
    if (left.length > 0) peer.releaseAll(left);
  }
}
