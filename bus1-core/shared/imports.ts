import type { Node } from '../node.js';
import { SLOTS_MAX } from './layout.js';
import type { Link } from './link.js';

/** A node of another process, of which this one holds handles. It is the `context` of the proxy node. */
export class Import {
  readonly link: Link;
  readonly id: number;
  readonly node: Node<Import>;
  /** how many times it was handed over and not given back */
  references: number;

  constructor(link: Link, id: number, node: Node<Import>) {
    this.link = link;
    this.id = id;
    this.node = node;
    this.references = 1;
    node.context = this;
  }
}

/** The nodes of one other process that are held here, by the IDs that it gave them, or that were claimed. */
export class ImportTable {
  /** by the slot of an ID: exporters use low ones first, and none twice at a time */
  private readonly slots: (Import | null)[] = [];
  /** imports whose IDs do not follow that rule */
  private readonly others = new Map<number, Import>();

  get(id: number): Import | undefined {
    const slot = id & (SLOTS_MAX - 1);
    const found = slot < this.slots.length ? this.slots[slot] : null;
    if (found?.id === id) return found;
    return this.others.size === 0 ? undefined : this.others.get(id);
  }

  add(record: Import): void {
    const { slots } = this;
    const slot = record.id & (SLOTS_MAX - 1);
    if (slot === slots.length) slots.push(record);
    else if (slot < slots.length && slots[slot] === null) slots[slot] = record;
    else this.others.set(record.id, record);
  }

  delete(id: number): void {
    const slot = id & (SLOTS_MAX - 1);
    if (slot < this.slots.length && this.slots[slot]?.id === id) this.slots[slot] = null;
    else this.others.delete(id);
  }

  clear(): void {
    this.slots.length = 0;
    this.others.clear();
  }
}
