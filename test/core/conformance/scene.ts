import { assert, expect } from 'vitest';
import {
  INVALID_ID,
  ReceivedType,
  TRANSFER_CREATE,
  TRANSFER_ONE_SHOT,
  type Bus1Code,
  type Maxima,
} from '#core/index.js';
import type {
  ConformanceDomain,
  ConformanceMessage,
  ConformanceOutgoing,
  ConformancePeer,
  ConformanceReceived,
} from './domain.js';

/** One row of the conformance table. */
export interface Row {
  readonly id: string;
  readonly says: string;
  /** of every user, where the row is about them */
  readonly maxima?: Maxima;
  readonly run: (scene: Scene) => Promise<void>;
}

/** What a peer found in its queue, without the IDs that it got with it. */
export type Seen = readonly ['USER', number, string] | readonly [string, number];

export const user = (node: number, text: string): Seen => ['USER', node, text];
export const nodeRelease = (handle: number): Seen => ['NODE_RELEASE', handle];
export const handleRelease = (node: number): Seen => ['HANDLE_RELEASE', node];

export const CREATE = { flags: TRANSFER_CREATE, id: INVALID_ID };
export const CREATE_ONE_SHOT = { flags: TRANSFER_CREATE | TRANSFER_ONE_SHOT, id: INVALID_ID };
export const copyOf = (id: number) => ({ flags: 0, id });

export function text(content: string): ConformanceOutgoing {
  return { data: [new TextEncoder().encode(content)] };
}

/** Asserts that an operation is refused with this errno name. */
export async function refused(code: Bus1Code, operation: () => unknown): Promise<void> {
  await expect((async () => await operation())()).rejects.toMatchObject({ code });
}

/** A domain and the few moves that most rows are made of. */
export class Scene {
  readonly domain: ConformanceDomain;

  constructor(domain: ConformanceDomain) {
    this.domain = domain;
  }

  async peer(uid?: number): Promise<ConformancePeer> {
    return await this.domain.openPeer(uid);
  }

  async peers(count: number): Promise<ConformancePeer[]> {
    const peers: ConformancePeer[] = [];
    for (let i = 0; i < count; i++) peers.push(await this.domain.openPeer());
    return peers;
  }

  /** A new node of `owner`, and the handle to it that `holder` got. */
  async channel(owner: ConformancePeer, holder: ConformancePeer, entry = CREATE) {
    const { source, target } = await owner.transfer(holder, [entry]);
    return { node: source[0], handle: target[0] };
  }

  /** A copy of `handle` of `from`, held by `to`. */
  async copy(from: ConformancePeer, handle: number, to: ConformancePeer): Promise<number> {
    return (await from.transfer(to, [copyOf(handle)])).target[0];
  }

  /** The next thing in the queue; it must be a message. */
  async message(peer: ConformancePeer): Promise<ConformanceMessage> {
    await this.domain.settle();
    const received = await peer.receive();
    if (received?.type !== ReceivedType.User) {
      throw new Error(`a message was expected, not ${JSON.stringify(received)}`);
    }
    return received;
  }

  /** Empties the queue of `peer`. */
  async drain(peer: ConformancePeer): Promise<ConformanceReceived[]> {
    await this.domain.settle();
    const all: ConformanceReceived[] = [];
    for (let next = await peer.receive(); next !== undefined; next = await peer.receive()) {
      all.push(next);
    }
    return all;
  }

  /** Asserts what stands in the queue of `peer`, and nothing else. */
  async sees(peer: ConformancePeer, ...expected: Seen[]): Promise<void> {
    assert.deepEqual((await this.drain(peer)).map(asSeen), expected);
    assert.isFalse(await peer.readable());
  }

  /** Asserts that `operation` is refused and leaves no trace in the domain or in the queues of `peers`. */
  async refusedWithoutTrace(
    code: Bus1Code,
    peers: readonly ConformancePeer[],
    operation: () => unknown,
  ): Promise<void> {
    const before = await this.state();
    await refused(code, operation);
    await this.domain.settle();
    assert.deepEqual(await this.state(), before);
    for (const peer of peers) await this.sees(peer);
  }

  private async state() {
    return { counts: await this.domain.counts(), charged: await this.domain.charged() };
  }
}

export function asSeen(received: ConformanceReceived): Seen {
  if (received.type === ReceivedType.User) {
    return user(received.id, new TextDecoder().decode(received.data));
  }
  return received.type === ReceivedType.NodeRelease
    ? nodeRelease(received.id)
    : handleRelease(received.id);
}
