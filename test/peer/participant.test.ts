// What arrives at a participant is checked by how far its sender is trusted, whatever the role is.
import { expect, test } from 'vitest';
import {
  LocalDomain,
  Message,
  ResourceUser,
  SendStatus,
  type Handle,
  type Node,
  type Peer,
  type Trace,
} from '#core/index.js';
import { Incoming } from '#bridge/peer/incoming.js';
import { HandleRule, IncomingFault, openPlace, type Place } from '#bridge/peer/incoming-check.js';
import { Participant, type ParticipantHost } from '#bridge/peer/participant.js';
import { Connection, NO_CREDENTIALS, NO_FIGURES } from '#bridge/registry/connection.js';
import { Control, encode } from '#bridge/registry/control-message.js';
import { Envelope } from '#bridge/registry/envelope.js';
import { encodeMessage, type MessageFields } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { Facet } from '#policy/index.js';

const MAXIMA = { objects: 64, bytes: 4096, descriptors: 0 };
const THIS_THREAD = 0;
const HOST = 2;
const NATIVE = 3;

type Spot = 'open' | 'for the bus';
type Arrived = Message<Envelope>;

/** A role that takes everything that it gets, and says what that was. */
class Role extends Participant<Spot, unknown> {
  readonly told: string[] = [];
  facet: Facet | null = null;

  protected placeOf({ context }: Node<Spot>): Place | null {
    return context === 'open' ? openPlace(HandleRule.LastOwn) : null;
  }

  protected override facetFor(): Facet | null {
    return this.facet;
  }

  protected take(_node: Node<Spot>, message: Arrived, trace: Trace, { header }: Envelope): void {
    this.note(`takes ${header.serial}`, message, trace);
  }

  protected reject(_node: Node<Spot>, message: Arrived, trace: Trace): void {
    this.note(`rejects: ${faultName(this.host.incoming.fault)}`, message, trace);
  }

  nodeReleased(): void {}

  handleReleased(): void {}

  protected note(what: string, message: Arrived, trace: Trace): void {
    this.told.push(what);
    trace.discharge(1, message.lengthBytes, 0);
  }
}

/** A role that obeys the bus. */
class Obedient extends Role {
  protected override obey(_node: Node<Spot>, message: Arrived, trace: Trace): void {
    this.note('obeys', message, trace);
  }
}

function faultName(fault: IncomingFault): string {
  return Object.entries(IncomingFault).find(([, value]) => value === fault)![0];
}

/** A sender and a role, and a native peer that is known as `:1.7`. */
class Scene implements ParticipantHost {
  readonly domain = new LocalDomain();
  readonly incoming = new Incoming();
  readonly directory = { numbered: new Map<number, Connection>() };
  readonly role: Role;
  isPermitted = true;
  private readonly sender: Peer;

  constructor(kind: typeof Role = Role) {
    this.role = new kind(this, new ResourceUser(1, MAXIMA));
    this.sender = this.domain.openPeer({ user: new ResourceUser(2, MAXIMA) });
    const connection = new Connection(NO_CREDENTIALS, () => NO_FIGURES);
    connection.number = 7;
    connection.process = NATIVE;
    this.directory.numbered.set(connection.number, connection);
  }

  isOurs(process: number): boolean {
    return process === THIS_THREAD || process === HOST;
  }

  permits(): boolean {
    return this.isPermitted;
  }

  /** What comes of these bytes. */
  send(bytes: Uint8Array, origin: number, spot: Spot = 'open', note?: Envelope): readonly string[] {
    const message = new Message<Envelope>();
    message.addPiece(bytes, 0, bytes.length);
    message.origin = origin;
    message.note = note ?? null;
    const status = this.sender.send(this.open(spot), message);
    if (status !== SendStatus.Sent) throw new Error(`it could not be sent: ${status}`);
    return this.role.told;
  }

  private open(spot: Spot): Handle {
    const { node, handle } = this.role.peer.createNode(this.sender);
    node.context = spot;
    return handle;
  }
}

const CALL: MessageFields = {
  type: MessageType.MethodCall,
  flags: 0,
  serial: 5,
  path: '/',
  member: 'Test',
  sender: ':1.7',
};
const right = encodeMessage(CALL, []);
/** A message that is well-formed but for its body, which no header shows. */
const wrongBody = encodeMessage({ ...CALL, signature: 's' }, ['text']);
wrongBody[wrongBody.length - 1] = 1;
const control = encode(Control.Dealt, {});

test('a sender in this thread has read and checked the message', () => {
  const note = new Envelope();
  note.header.serial = 9;
  expect(new Scene().send(wrongBody, THIS_THREAD, 'open', note)).toEqual(['takes 9']);
});

test.each([
  ['right', right, 'takes 5'],
  ['wrong in its body, which the process has checked', wrongBody, 'takes 5'],
  ['cut off', right.slice(0, -1), 'rejects: Body'],
])('a message of a process of the bus that is %s', (_title, bytes, told) => {
  expect(new Scene().send(bytes, HOST)).toEqual([told]);
  expect(new Scene().send(bytes, HOST, 'for the bus')).toEqual([told]);
});

test.each([
  ['right', right, 'takes 5'],
  ['wrong in its body', wrongBody, 'rejects: Body'],
  ['cut off', right.slice(0, -1), 'rejects: Body'],
  ['empty', new Uint8Array(0), 'rejects: Body'],
  ['in the name of nobody', encodeMessage({ ...CALL, sender: ':1.8' }, []), 'rejects: Sender'],
  ['an answer to no call', encodeMessage({ ...CALL, replySerial: 4 }, []), 'rejects: Reply'],
  ['for the bus itself to send', control, 'rejects: Body'],
])('a message of a native peer that is %s', (_title, bytes, told) => {
  expect(new Scene().send(bytes, NATIVE)).toEqual([told]);
});

test('a native peer sends nothing to a node that is for the bus', () => {
  expect(new Scene().send(right, NATIVE, 'for the bus')).toEqual(['rejects: Place']);
});

test.each([
  [true, 'takes 5'],
  [false, 'rejects: Denied'],
])(
  'the policy judges what a native peer sends, not what a process of the bus does: %s',
  (isPermitted, told) => {
    const scene = new Scene();
    scene.isPermitted = isPermitted;
    const facet = new Facet([], []);
    scene.role.facet = facet;
    expect(scene.send(right, NATIVE)).toEqual([told]);
    expect(scene.incoming.denying).toBe(isPermitted ? null : facet);
    expect(scene.send(right, HOST).at(-1)).toBe('takes 5');
  },
);

test.each([THIS_THREAD, HOST])('control messages of process %i are obeyed', (origin) => {
  expect(new Scene(Obedient).send(control, origin)).toEqual(['obeys']);
  expect(new Scene().send(control, origin)).toEqual(['rejects: Body']);
});

test('a native peer is not obeyed', () => {
  expect(new Scene(Obedient).send(control, NATIVE)).toEqual(['rejects: Body']);
});

test('a D-Bus message of this thread that nobody has read is none', () => {
  expect(new Scene().send(right, THIS_THREAD)).toEqual(['rejects: Body']);
});
