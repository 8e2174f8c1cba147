import { ChannelError } from '../errors.js';
import type { Handle } from '../handle.js';
import type { Node } from '../node.js';
import { CLAIMED_ID, ROOT_ID, SLOT_BITS, SLOTS_MAX } from './layout.js';
import type { ProcessRows } from './uid-rows.js';

/** A node of this process that one other process holds. */
export class Export {
  id = 0;
  /** how many times it was handed over and not given back; 0 for a record that is free */
  references = 0;
  /** stands for all references; null when the node is gone and the other side has been notified */
  handle: Handle<Export> | null = null;
  /** where it takes a row, if the other side has claimed it */
  claimedIn: ProcessRows | null = null;
  readonly slot: number;
  private uses = 0;

  constructor(slot: number) {
    this.slot = slot;
  }

  /** Gives a reused slot a new ID; a slot's IDs repeat after 2^11 uses. */
  renew(): void {
    this.uses = (this.uses + 1) & ((CLAIMED_ID >>> SLOT_BITS) - 1);
    this.id = this.slot + this.uses * SLOTS_MAX;
  }
}

/** The nodes of this process that one other process holds: what it may name, and how often it may release it. */
export class ExportTable {
  private readonly slots: Export[] = [];
  private readonly free: Export[] = [];
  /** those with an ID that the other side chose, and the root */
  private readonly named = new Map<number, Export>();
  /** lasting nodes, which may be handed over again */
  private readonly byNode = new Map<Node, Export>();
  size = 0;

  /** Whether `count` more nodes can be handed over. */
  hasRoom(count: number): boolean {
    return this.free.length + SLOTS_MAX - this.slots.length >= count;
  }

  find(node: Node): Export | undefined {
    return this.byNode.get(node);
  }

  /** Undefined for an ID that the other side has made up, or has given back. */
  get(id: number): Export | undefined {
    if (id >= CLAIMED_ID) return this.named.get(id);
    const found = this.slots[id & (SLOTS_MAX - 1)];
    return found !== undefined && found.id === id && found.references > 0 ? found : undefined;
  }

  /** @throws ChannelError for an ID that the other side was never given, or has given back */
  mustGet(id: number): Export {
    const record = this.get(id);
    if (record === undefined) throw new ChannelError(`it holds no handle ${id}`);
    return record;
  }

  /** A new record, with one reference. Undefined when all `SLOTS_MAX` slots are in use. */
  add(handle: Handle<Export>): Export | undefined {
    let record = this.free.pop();
    if (record === undefined) {
      if (this.slots.length === SLOTS_MAX) return undefined;
      record = new Export(this.slots.length);
      this.slots.push(record);
    }
    record.renew();
    this.begin(record, handle);
    const node = handle.node;
    if (node.live && !node.oneShot) this.byNode.set(node, record);
    return record;
  }

  /** A record under an ID that the other side chose. Has no effect when that is in use. */
  addNamed(id: number, handle: Handle<Export> | null, claimedIn: ProcessRows | null = null): void {
    if (id < CLAIMED_ID || this.named.has(id)) return;
    const record = new Export(-1);
    record.claimedIn = claimedIn;
    record.id = id;
    this.begin(record, handle);
    this.named.set(id, record);
  }

  addRoot(handle: Handle<Export>): void {
    this.addNamed(ROOT_ID, handle);
  }

  /** The node behind `record` is gone, or its handle was used up. */
  forgetNode(record: Export): void {
    const handle = record.handle;
    if (handle === null) return;
    record.handle = null;
    handle.context = null;
    if (!handle.node.oneShot && this.byNode.get(handle.node) === record) {
      this.byNode.delete(handle.node);
    }
  }

  /** All references were given back. The handle, if there still is one, is the caller's to release. */
  remove(record: Export): void {
    this.forgetNode(record);
    record.references = 0;
    this.size--;
    if (record.slot < 0) this.named.delete(record.id);
    else this.free.push(record);
  }

  private begin(record: Export, handle: Handle<Export> | null): void {
    record.references = 1;
    record.handle = handle;
    if (handle !== null) handle.context = record;
    this.size++;
  }
}
