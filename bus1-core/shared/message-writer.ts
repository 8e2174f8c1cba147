import type { DescriptorSet } from '../descriptors.js';
import type { Handle } from '../handle.js';
import type { Node } from '../node.js';
import type { Trace } from '../quota.js';
import { copyInto } from '../stable-shape.js';
import { writeGrant } from './control-entries.js';
import { Import } from './imports.js';
import {
  ENTRY_ALIGNMENT,
  MessageOffset,
  REFERENCE_BYTES,
  ReferenceFlag,
  ReferenceKind,
  SEGMENT_MIN_BYTES,
} from './layout.js';
import type { Link, Outgoing } from './link.js';
import { SegmentPool, type Segment } from './segments.js';

/** Shorter pieces are copied byte by byte: a view of part of an array costs more than that. */
const BYTEWISE_MAX = 48;

/** Writes messages for the nodes of one other process, inside transactions. */
export class MessageWriter {
  private readonly link: Link;
  private readonly segments = new SegmentPool();
  /** nonces under which the foreign handles of the current message were granted */
  private readonly nonces: number[] = [];

  constructor(link: Link) {
    this.link = link;
  }

  /** Puts a message for the proxy `node` into the outbox. The handles in it are used up. */
  write(node: Node<Import>, message: Outgoing, trace: Trace): void {
    const { link } = this;
    const target = node.context!;
    const handles = message.receivedCount;
    const outgoing = link.outgoing.of(trace);
    outgoing.objects += 1 + handles;
    outgoing.bytes += message.lengthBytes;
    outgoing.descriptors += message.descriptors === null ? 0 : message.descriptors.count;
    for (let i = 0; i < handles; i++) {
      const handle = message.received[i];
      handle.charge = null; // given back by a credit, not when this handle goes
      this.grantIfForeign(handle);
    }
    const bodyBytes = handles * REFERENCE_BYTES + message.lengthBytes;
    const segment = bodyBytes < SEGMENT_MIN_BYTES ? null : this.segments.take(bodyBytes);
    this.openEntry(bodyBytes, message.descriptors, segment);
    const { outbox } = link;
    const { view, at } = outbox;
    outbox.isFilling = true;
    view.setUint32(at + MessageOffset.Target, target.id, true);
    view.setUint32(at + MessageOffset.Trace, outgoing.id, true);
    view.setUint32(at + MessageOffset.Account, trace.claim.claimantUid, true);
    view.setUint32(at + MessageOffset.Handles, handles, true);
    view.setUint32(at + MessageOffset.Descriptors, message.descriptors?.count ?? 0, true);
    view.setUint32(at + MessageOffset.Bytes, message.lengthBytes, true);
    view.setUint32(at + MessageOffset.Releases, node.oneShot ? target.references : 0, true);
    if (node.oneShot) link.imports.delete(target.id);
    if (segment === null) {
      this.writeBody(view, outbox.bytes, at + MessageOffset.Body, message);
    } else {
      this.writeBody(segment.mapping.view, segment.mapping.bytes, 0, message);
    }
    outbox.isFilling = false;
  }

  /** Prepares the segment that a body of that size needs, if any; false when there is none to be had. */
  prepare(bodyBytes: number): boolean {
    return bodyBytes < SEGMENT_MIN_BYTES || this.segments.prepare(bodyBytes);
  }

  close(): void {
    this.segments.close();
  }

  private openEntry(
    bodyBytes: number,
    descriptors: DescriptorSet | null,
    segment: Segment | null,
  ): void {
    const carried = descriptors === null || descriptors.count === 0 ? null : descriptors;
    const comesWith = segment !== null && segment.fd >= 0 ? segment.mapping.length : 0;
    const inlineBytes = segment === null ? bodyBytes : 0;
    const length = (MessageOffset.Body + inlineBytes + ENTRY_ALIGNMENT - 1) & -ENTRY_ALIGNMENT;
    this.link.openMessage(length, carried, segment);
    const { view, at } = this.link.outbox;
    view.setUint32(at + MessageOffset.Segment, segment === null ? 0 : segment.id, true);
    view.setUint32(at + MessageOffset.SegmentBytes, comesWith, true);
  }

  /** A node of a third process: that process is notified first, so that the node never appears unreferenced. */
  private grantIfForeign(handle: Handle): void {
    const record = importOf(handle.node);
    if (record === null || record.link === this.link) return;
    const nonce = record.link.nextNonce();
    writeGrant(record.link, record.id, this.link.identity.id, nonce);
    this.nonces.push(nonce);
  }

  private writeBody(view: DataView, bytes: Uint8Array, start: number, message: Outgoing): void {
    let at = start;
    let grant = 0;
    for (let i = 0; i < message.receivedCount; i++) {
      const handle = message.received[i];
      const { node } = handle;
      const record = importOf(node);
      if (record !== null) {
        const isHome = record.link === this.link;
        const id = isHome ? record.id : this.nonces[grant++];
        const kind = isHome ? ReferenceKind.Receiver : ReferenceKind.Third;
        writeReference(view, at, kind, id, node, record.link.identity.id);
        this.link.endHandle(handle);
      } else {
        writeReference(view, at, ReferenceKind.Sender, this.link.export(handle), node, 0);
      }
      at += REFERENCE_BYTES;
    }
    if (grant > 0) this.nonces.length = 0;
    for (let i = 0; i < message.pieceCount; i++) {
      const length = message.lengths[i];
      copyPiece(message.pieces[i], message.offsets[i], length, bytes, at);
      at += length;
    }
  }
}

/** What a live node is that belongs to another process; null for the others. */
function importOf({ live, owner, context }: Node): Import | null {
  return live && owner.isProxy && context instanceof Import ? context : null;
}

function writeReference(
  view: DataView,
  at: number,
  kind: number,
  id: number,
  node: Node,
  process: number,
): void {
  const flags =
    (node.oneShot ? ReferenceFlag.OneShot : 0) |
    (node.owner.takesDescriptors ? ReferenceFlag.TakesDescriptors : 0);
  view.setUint32(at, kind | flags, true);
  view.setUint32(at + 4, id, true);
  view.setUint32(at + 8, node.owner.user.uid, true);
  view.setUint32(at + 12, process, true);
}

function copyPiece(
  piece: Uint8Array,
  offset: number,
  length: number,
  into: Uint8Array,
  at: number,
): void {
  if (length <= BYTEWISE_MAX) {
    for (let i = 0; i < length; i++) into[at + i] = piece[offset + i];
  } else if (offset === 0 && length === piece.length) {
    copyInto(piece, into, at);
  } else {
    copyInto(piece.subarray(offset, offset + length), into, at);
  }
}
