import type { MessageHeader } from '#bridge/wire/header.js';

/**
 * A message as match rules see it. The caller keeps one such object and refills it: nothing of it
 * is kept after `MatchIndex.collect` returns.
 */
export interface MatchSubject {
  /** Header after a successful scan; the body must have been validated. */
  readonly header: MessageHeader;
  /** Ids (of the index's interner) of the sender's unique name and of all names that it owns. */
  readonly senderIds: ArrayLike<number>;
  readonly senderIdCount: number;
  /**
   * The same of the addressed peer; if nobody owns the destination yet, the id of that name alone.
   * The driver is `org.freedesktop.DBus`, in both roles. Ignored for broadcasts.
   */
  readonly destinationIds: ArrayLike<number>;
  readonly destinationIdCount: number;
}

/** Where matching subscribers are put, each once; an array will do. */
export interface SubscriberSink<Subscriber> {
  push(subscriber: Subscriber): unknown;
}
