import type { DescriptorSet } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import { encodeMessage, type DecodedMessage } from '#bridge/wire/message.js';
import { MessageFlag } from '#bridge/wire/types.js';
import {
  endedObjects,
  isKept,
  permits,
  toNative,
  toNativeMember,
  type MappedMessage,
  type Mapping,
  type ObjectKind,
} from '#mappings/index.js';
import { PROPERTIES } from '#bridge/wire/standard-names.js';

import type { Conversation } from './conversation.js';
import { mustBeHeard } from './known-mappings.js';
import type { SignalListener } from './signal-listener.js';
import { NewHandles } from './new-handles.js';
import type { ObjectNode } from './object-node.js';
import { ServiceAnswer } from './service-answer.js';
import type { Translator } from './translator.js';

/** A signal of a service, broadcast or sent to one native peer. */
export interface Said {
  readonly message: DecodedMessage;
  readonly descriptors: DescriptorSet | null;
  readonly sender: Connection;
  readonly bytes: Uint8Array;
}

/** A service under one of its names, and which of its objects native peers hold handles to. */
export class Service {
  readonly name: string;
  readonly mapping: Mapping;
  private readonly translator: Translator;
  private readonly conversations = new Set<Conversation>();
  private readonly objects = new Map<string, Set<ObjectNode>>();
  private readonly listeners = new Map<string, Set<SignalListener>>();
  /** calls to it that wait until its signals are received: one of them may end an object that the answer brings */
  private held: (() => void)[] | null = null;
  private isWatched = false;

  constructor(translator: Translator, name: string, mapping: Mapping) {
    this.translator = translator;
    this.name = name;
    this.mapping = mapping;
  }

  get owner(): Connection | undefined {
    return this.translator.registry.owner(this.name);
  }

  joined(conversation: Conversation): void {
    this.conversations.add(conversation);
    if (mustBeHeard(this.mapping)) this.watch();
  }

  left(conversation: Conversation): void {
    this.conversations.delete(conversation);
    if (this.conversations.size > 0) return;
    this.translator.forgetService(this);
    if (this.isWatched) this.translator.watch.remove(this.name);
    this.isWatched = false;
  }

  add(object: ObjectNode): void {
    addTo(this.objects, object.path, object);
  }

  remove(object: ObjectNode): void {
    removeFrom(this.objects, object.path, object);
  }

  hasObjectAt(path: string): boolean {
    return this.objects.has(path);
  }

  listen(listener: SignalListener): void {
    addTo(this.listeners, listener.target.path, listener);
    this.watch();
  }

  unlisten(listener: SignalListener): void {
    removeFrom(this.listeners, listener.target.path, listener);
  }

  /** Runs `action` once no signal of the service can be missed any more. */
  whenWatched(action: () => void): void {
    if (this.held === null) action();
    else this.held.push(action);
  }

  /** The owner has sent a signal; `to`: the one native peer that it was sent to. */
  heard(said: Said, to?: Connection): void {
    const { path = '', body } = said.message;
    const part = partOf(said);
    for (const listener of this.listeners.get(path) ?? []) {
      if (to === undefined || to === listener.object.holder) this.tell(listener, said);
    }
    if (isKept(this.mapping, part)) this.keep(said, path, to);
    for (const ended of endedObjects(this.mapping, part, body, path)) this.end(ended);
  }

  /** An object has ended: handles to it die, except those of holders other than `by` for which signals are kept. */
  end(path: string, by?: Connection): void {
    const retired: ObjectNode[] = [];
    for (const object of this.objects.get(path) ?? []) {
      if (object.kept.isEmpty || object.holder === by) object.conversation.close(object);
      else retired.push(object);
    }
    this.retire(retired);
  }

  /** Applies signals that an object sent before a handle to it was granted: keeps them, and ends it if one says so. */
  catchUp(object: ObjectNode, early: readonly Said[]): void {
    for (const said of early) {
      const { path, body } = said.message;
      const isAbout = path === object.path && object.conversation.service === this;
      if (!isAbout || !object.node.live) continue;
      if (this.isFor(object.kind, said)) object.kept.keep(said);
      if (!endedObjects(this.mapping, partOf(said), body, path).includes(path)) continue;
      if (object.kept.isEmpty) object.conversation.close(object);
      else this.retire([object]);
    }
  }

  /** There is a subscriber now: delivers the kept signals to it, and then closes objects that have ended. */
  tellKept(listener: SignalListener): void {
    if (!listener.handle.live) return;
    const { object, target } = listener;
    const present = [...(this.objects.get(target.path) ?? [])];
    const all = object.endedWith ?? present.filter(({ holder }) => holder === object.holder);
    const signals = new Set(all.flatMap(({ kept }) => kept.list()));
    for (const said of signals) this.tell(listener, said);
    for (const one of all) {
      one.kept.clear();
      if (one.hasEnded) one.conversation.close(one);
    }
  }

  /** Keeps a signal for holders that could not subscribe yet, or that are about to get a handle. */
  private keep(said: Said, path: string, to: Connection | undefined): void {
    const listeners = [...(this.listeners.get(path) ?? [])];
    const listening = new Set(listeners.map(({ object }) => object.holder));
    const holding = new Set<Connection>();
    for (const object of this.objects.get(path) ?? []) {
      const { holder, kind, kept } = object;
      holding.add(holder);
      if (to !== undefined && to !== holder) continue;
      if (!listening.has(holder) && this.isFor(kind, said)) kept.keep(said);
    }
    for (const { client } of this.conversations) {
      for (const answer of client.awaited) {
        if (!(answer instanceof ServiceAnswer) || !answer.isFrom(this)) continue;
        const { caller } = answer;
        if ((to === undefined || to === caller) && !holding.has(caller)) answer.heard(said);
      }
    }
  }

  /** Keeps handles to an ended object until their holders have got its last signals, but for nothing else. */
  private retire(objects: readonly ObjectNode[]): void {
    for (const object of objects) {
      object.endedWith = objects.filter(({ holder }) => holder === object.holder);
      this.remove(object);
    }
  }

  private watch(): void {
    if (this.isWatched) return;
    this.isWatched = true;
    this.held = [];
    this.translator.defer(() => {
      if (this.isWatched) this.translator.watch.add(this.name, () => this.watched());
      else this.watched();
    });
  }

  private watched(): void {
    const { held } = this;
    this.held = null;
    for (const action of held ?? []) this.translator.perform(action);
  }

  private tell({ object, target, handle }: SignalListener, said: Said): void {
    const { conversation, holder } = object;
    const { message, descriptors, sender, bytes } = said;
    const part = partOf(said);
    if (!this.isFor(target.kind, said)) return;
    const { host } = this.translator;
    const facet = host.grants.broadcastFacet(sender, holder);
    if (!this.translator.permits(facet, bytes) || !handle.live) return;
    const { mapping } = this;
    const flags = message.flags | MessageFlag.NoReplyExpected;
    const named = toNativeMember(mapping, part);
    const fields = { ...message, ...named, flags, path: '/', destination: undefined };
    const handles = new NewHandles(conversation, holder);
    try {
      const about = { ...part, object: target.kind };
      const body = toNative(mapping, about, message.body, handles.open);
      const bytes = encodeMessage(fields, body);
      const transfers = handles.all;
      conversation.client.send(handle, { bytes, sender: sender.number, transfers, descriptors });
    } finally {
      handles.release(false);
    }
  }

  /** Whether a handle to an object of this kind lets a signal through; the translation drops single properties. */
  private isFor(kind: ObjectKind, said: Said): boolean {
    const { interface: name, member } = partOf(said);
    const asked = { interface: name, member: name === PROPERTIES ? 'GetAll' : member };
    return permits(this.mapping, kind, asked, said.message.body);
  }
}

function partOf({ message }: Said): MappedMessage {
  const { interface: name = '', member = '' } = message;
  return { part: 'signal', interface: name, member };
}

function addTo<T>(index: Map<string, Set<T>>, key: string, value: T): void {
  const values = index.get(key);
  if (values === undefined) index.set(key, new Set([value]));
  else values.add(value);
}

function removeFrom<T>(index: Map<string, Set<T>>, key: string, value: T): void {
  const values = index.get(key);
  values?.delete(value);
  if (values?.size === 0) index.delete(key);
}
