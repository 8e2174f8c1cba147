import type { DescriptorSet } from '#core/index.js';
import type { Connection } from '#bridge/registry/connection.js';
import { encodeMessage, type DecodedMessage } from '#bridge/wire/message.js';
import { MessageFlag } from '#bridge/wire/types.js';
import {
  endedObjects,
  permits,
  toNative,
  toNativeMember,
  type MappedMessage,
  type Mapping,
  type ObjectKind,
} from '#mappings/index.js';

import type { Client } from './client.js';
import type { Conversation } from './conversation.js';
import { hasEndings } from './known-mappings.js';
import type { Listener } from './listener.js';
import { NewHandles } from './new-handles.js';
import type { ObjectNode } from './object-node.js';
import type { Translator } from './translator.js';

/** What a service has said, as a broadcast or to one native peer. */
export interface Said {
  readonly message: DecodedMessage;
  readonly descriptors: DescriptorSet | null;
  readonly sender: Connection;
  readonly bytes: Uint8Array;
}

const PROPERTIES = 'org.freedesktop.DBus.Properties';

/** A service under one of its names, and which of its objects native peers hold handles to. */
export class Service {
  readonly name: string;
  readonly mapping: Mapping;
  private readonly translator: Translator;
  private readonly conversations = new Set<Conversation>();
  private readonly objects = new Map<string, Set<ObjectNode>>();
  private readonly listeners = new Map<string, Set<Listener>>();
  /** calls to it, until its signals are heard: one of them may end what the answer brings */
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
    if (hasEndings(this.mapping)) this.watch();
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

  listen(listener: Listener): void {
    addTo(this.listeners, listener.target.path, listener);
    this.watch();
  }

  unlisten(listener: Listener): void {
    removeFrom(this.listeners, listener.target.path, listener);
  }

  /** Runs `action` when nothing of what the service says is missed. */
  whenWatched(action: () => void): void {
    if (this.held === null) action();
    else this.held.push(action);
  }

  /** A signal of its owner's; `to`: it was for this native peer alone. */
  heard(said: Said, to?: Client): void {
    const { message } = said;
    const { path = '', interface: name = '', member = '', body } = message;
    const part: MappedMessage = { part: 'signal', interface: name, member };
    for (const listener of this.listeners.get(path) ?? []) {
      const { client } = listener.object.conversation;
      if (to === undefined || to === client) this.tell(listener, said, part);
    }
    for (const ended of endedObjects(this.mapping, part, body, path)) this.end(ended);
  }

  /** An object has ended: handles to it die. */
  end(path: string): void {
    for (const object of this.objects.get(path) ?? []) object.conversation.close(object);
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
    for (const action of held ?? []) action();
  }

  private tell({ object, target, handle }: Listener, said: Said, part: MappedMessage): void {
    const { conversation, holder } = object;
    const { message, descriptors, sender, bytes } = said;
    if (!this.isFor(target.kind, part, message.body)) return;
    const { host } = this.translator;
    const facet = host.grants.broadcastFacet(sender, holder);
    if (!this.translator.permits(facet, bytes) || !handle.live) return;
    const handles = new NewHandles(conversation, holder);
    const body = toNative(
      this.mapping,
      { ...part, object: target.kind },
      message.body,
      handles.open,
    );
    const flags = message.flags | MessageFlag.NoReplyExpected;
    const named = toNativeMember(this.mapping, part);
    conversation.client.send(handle, {
      bytes: encodeMessage(
        { ...message, ...named, flags, path: '/', destination: undefined },
        body,
      ),
      sender: sender.number,
      transfers: handles.all,
      descriptors,
    });
    handles.release(false);
  }

  /** Whether a handle to such an object lets a signal through; of properties, translating it leaves some out. */
  private isFor(kind: ObjectKind, part: MappedMessage, body: readonly unknown[]): boolean {
    const member = part.interface === PROPERTIES ? 'GetAll' : part.member;
    return permits(this.mapping, kind, { interface: part.interface, member }, body);
  }
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
