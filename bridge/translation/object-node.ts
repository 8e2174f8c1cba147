import type { Node } from '#core/index.js';
import { HandleRule, openPlace } from '#bridge/peer/incoming-check.js';
import type { Connection } from '#bridge/registry/connection.js';
import { DriverError, ErrorName } from '#bridge/driver/driver-error.js';
import type { Mapping, ObjectKind } from '#mappings/index.js';

import type { Arrival, NodeContext } from './arrival.js';
import type { Conversation } from './conversation.js';
import { KeptSignals } from './kept-signals.js';
import type { SignalListener } from './signal-listener.js';

const CALLED = openPlace(HandleRule.ReplyOwn);

/** One object of a service. */
export interface Target {
  readonly kind: ObjectKind;
  readonly path: string;
}

/** Context of a node that represents a service's object. */
export class ObjectNode implements NodeContext, Target {
  readonly place = CALLED;
  readonly conversation: Conversation;
  readonly node: Node;
  readonly kind: ObjectKind;
  readonly path: string;
  /** the connection that was granted the handle */
  readonly holder: Connection;
  readonly listeners = new Set<SignalListener>();
  /** signals that the holder has not been able to subscribe to yet */
  readonly kept: KeptSignals;
  /** The holder's handles to the object when it ended, which have kept signals to deliver; undefined: it exists. */
  endedWith: readonly ObjectNode[] | undefined;

  constructor(
    conversation: Conversation,
    node: Node,
    kind: ObjectKind,
    path: string,
    holder: Connection,
  ) {
    this.conversation = conversation;
    this.node = node;
    this.kind = kind;
    this.path = path;
    this.holder = holder;
    this.kept = new KeptSignals(conversation.client.peer);
  }

  arrived(arrival: Arrival): void {
    this.conversation.arrived(this, arrival);
  }

  abandoned(): void {
    this.conversation.abandoned(this);
  }

  get hasEnded(): boolean {
    return this.endedWith !== undefined;
  }

  /** Its path may lead to another object by now. @throws DriverError */
  mustNotHaveEnded(): void {
    if (!this.hasEnded) return;
    const why = `the ${this.kind.name} has ended: only its last signals can still be subscribed to`;
    throw new DriverError(ErrorName.UnknownObject, why);
  }

  /** The object that a message with this path is sent to. @throws DriverError */
  target(path: string): Target {
    const { mapping, name } = this.conversation.service;
    if (path === this.path || !isNamed(this.kind, mapping)) return this;
    const kind = this.kind.only === undefined ? fixedObject(mapping, path) : undefined;
    if (kind !== undefined) return { kind, path };
    if (path === '/') return this;
    const why = `the handle to ${name} does not lead to ${path}: call its object through the handle to that`;
    throw new DriverError(ErrorName.UnknownObject, why);
  }

  dropListeners(): void {
    for (const listener of this.listeners) listener.close();
  }
}

/** Whether a name leads to objects of this kind: through them, objects with a fixed path can be reached. */
function isNamed(kind: ObjectKind, { names }: Mapping): boolean {
  return names.some(({ object }) => object === kind);
}

function fixedObject({ objects }: Mapping, path: string): ObjectKind | undefined {
  const kinds = [...objects.values()];
  return kinds.find(
    ({ owner, only, paths }) =>
      owner === 'service' &&
      only === undefined &&
      paths.some(({ text, variables }) => variables.length === 0 && text === path),
  );
}
