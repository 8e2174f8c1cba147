// A call that went to the other bus ends once, and its reply handle with it.
import { expect, test } from 'vitest';
import {
  CLOSED_SINK,
  LocalDomain,
  Message,
  ResourceUser,
  type Handle,
  type Node,
  type Peer,
  type Sink,
  type Trace,
} from '#core/index.js';
import type { HandleHolder } from '#bridge/peer/parcel.js';
import type { Refuser } from '#bridge/peer/refusal.js';
import { Connection, NO_CREDENTIALS, NO_FIGURES } from '#bridge/registry/connection.js';
import { PendingCall } from '#bridge/uplink/pending-call.js';
import type { StandInNodeContext } from '#bridge/uplink/stand-in.js';

const MAXIMA = { objects: 64, bytes: 4096, descriptors: 0 };
const KEY = 7;

/** The caller: what it is told. */
class Caller implements Sink {
  readonly told: string[] = [];

  accept(_node: Node, message: Message, trace: Trace): void {
    this.told.push('error');
    trace.discharge(1, message.lengthBytes, 0);
  }

  nodeReleased(): void {}

  handleReleased(): void {
    this.told.push('HANDLE_RELEASE');
  }
}

/** A call that waits for its reply from the other bus, and a driver whose errors find room or do not. */
class Scene implements Refuser {
  readonly caller = new Caller();
  readonly connection = new Connection(NO_CREDENTIALS, () => NO_FIGURES);
  readonly peer: Peer;
  readonly table = new Map<number, PendingCall>();
  readonly call: PendingCall;
  settled = 0;
  hasRoom = true;
  private readonly domain = new LocalDomain();

  constructor() {
    const user = new ResourceUser(1, MAXIMA);
    this.peer = this.domain.openPeer({ user, sink: CLOSED_SINK });
    const sink = CLOSED_SINK;
    const holding = this.domain.openPeer<StandInNodeContext, HandleHolder>({ user, sink });
    const calling = this.domain.openPeer({ user, sink: this.caller });
    const { handle } = calling.createNode(holding, true);
    const standIn = { peer: holding, owedReplies: 0, replySettled: () => void this.settled++ };
    PendingCall.enter(this.table, KEY, standIn, handle, 1, null);
    this.call = this.table.get(KEY)!;
  }

  /** As the driver does it: a reply handle that could not be used is released. */
  reply(_to: Connection, through: Handle | undefined): void {
    if (this.hasRoom) this.peer.send(through!, new Message());
    else this.peer.release(through!);
  }

  refuse(): void {
    this.call.refuse(this, this.connection, 'org.example.No', 'why');
  }

  /** What the caller was told, how often the call ended, and what is left of it. */
  outcome(): object {
    const { nodes, handles } = this.domain.counters;
    const { told } = this.caller;
    return { told, settled: this.settled, left: nodes + handles + this.table.size };
  }
}

const ended = (...told: readonly string[]): object => ({ told, settled: 1, left: 0 });

test('the caller gets the error', () => {
  const scene = new Scene();
  scene.refuse();
  expect(scene.outcome()).toEqual(ended('error'));
});

test('a caller without room for the error gets NoReply from its host', () => {
  const scene = new Scene();
  scene.hasRoom = false;
  scene.refuse();
  expect(scene.outcome()).toEqual(ended('HANDLE_RELEASE'));
});

test('a caller that is no longer on the bus gets no error', () => {
  const scene = new Scene();
  scene.connection.live = false;
  scene.refuse();
  expect(scene.outcome()).toEqual(ended('HANDLE_RELEASE'));
});

test('so does one whose reply the policy denies', () => {
  const scene = new Scene();
  scene.call.giveUp();
  expect(scene.outcome()).toEqual(ended('HANDLE_RELEASE'));
});
