import type { Message } from '#core/index.js';
import { NAME_MAX_LENGTH } from '#bridge/wire/limits.js';

import { CREDENTIALS } from './connection.js';
import { DIRECTORY_CHANGE } from './directory-change.js';
import {
  bool,
  bytes,
  choice,
  FieldReader,
  FieldWriter,
  i32,
  nullable,
  optional,
  prose,
  record,
  text,
  u32,
  type FieldsOf,
  type FieldType,
  type Shape,
  type ValueOf,
} from './field-types.js';
import { HOST_REPORT } from './host-report.js';
import { FACET } from './policy-fields.js';

/** Who sends control messages. All but a native peer are processes of the bus, or parts of one. */
export type Sender = 'driver' | 'registry' | 'host' | 'peer';

/** The kind of node at which a control message arrives. */
export type Place =
  /** the domain's root node, which is the driver's */
  | 'root'
  /** the nodes of a connection at the driver and at the registry */
  | 'driver'
  | 'registry'
  /** the node of a connection's unique name, and that of another name */
  | 'inbox'
  | 'name node'
  /** the reply nodes of Admit, Resolve and Report */
  | 'admission'
  | 'lookup'
  | 'report'
  /** the nodes of a host's replica of the directory */
  | 'replica';

interface Declaration<P extends Place, F> {
  /** the first byte; not an endian mark, with which D-Bus messages begin */
  readonly code: number;
  readonly from: readonly Sender[];
  readonly to: P;
  /** the handles that come with it; the nodes behind those of a native peer must be its own */
  readonly handles: readonly string[];
  /** handles that may follow these */
  readonly optionalHandles: readonly string[];
  readonly fields: FieldType<F>;
}

interface Way<P extends Place> {
  readonly from: Sender | readonly Sender[];
  readonly to: P;
  readonly handles?: readonly string[];
  readonly optionalHandles?: readonly string[];
}

function declare<P extends Place, S extends Shape>(
  code: number,
  { from, to, handles = [], optionalHandles = [] }: Way<P>,
  fields: S,
): Declaration<P, FieldsOf<S>> {
  const senders = typeof from === 'string' ? [from] : from;
  return { code, from: senders, to, handles, optionalHandles, fields: record(fields) };
}

/** What the registry has found under a name; with `Owned` and `Activatable` comes a handle. */
export const Resolution = {
  Unowned: 0,
  Owned: 1,
  /** the handle leads to a node where messages wait until the service has started */
  Activatable: 2,
} as const;
export type Resolution = (typeof Resolution)[keyof typeof Resolution];

const NAME = text(NAME_MAX_LENGTH);
const REASON = prose(1 << 12);
/** of a denial that a native peer reports, and of which the bus keeps many */
const REPORTED = prose(512);

/**
 * All control messages: instructions of the driver to a connection's shim, requests of a shim to the registry, and so
 * on. They travel on the same nodes as D-Bus messages, but have no envelope.
 */
export const Control = {
  /** The number of your unique name (envelope.ts). */
  Welcome: declare(1, { from: 'driver', to: 'inbox' }, { number: u32 }),

  /** Release this node. `isQueued`: a new one is wanted for a place in the queue. */
  ReleaseName: declare(2, { from: 'driver', to: 'name node' }, { isQueued: bool, name: NAME }),

  /** Keep only the node that came with BecomeMonitor, and accept nothing more from the client. */
  BecomeMonitor: declare(3, { from: 'driver', to: 'inbox' }, {}),

  /** Close the connection. */
  Disconnect: declare(4, { from: 'driver', to: 'inbox' }, { reason: REASON }),

  /** Who owns the name? */
  Resolve: declare(
    5,
    { from: ['host', 'peer'], to: 'registry', handles: ['reply'] },
    { name: NAME },
  ),

  /** A node for a queued name, in exchange for one that was released. */
  NameNode: declare(
    6,
    { from: ['host', 'peer'], to: 'driver', handles: ['name node'] },
    { name: NAME },
  ),

  /** Admit me, or a client of mine: a host sends its credentials, and the pidfd of its process as a descriptor. */
  Admit: declare(
    7,
    { from: ['host', 'peer'], to: 'root', handles: ['inbox', 'reply'] },
    { takesDescriptors: bool, credentials: optional(CREDENTIALS) },
  ),

  /** The answers to Admit; Confined: a role limits what you see of the bus, so you need a socket. */
  Admitted: declare(8, { from: 'driver', to: 'admission', handles: ['driver', 'registry'] }, {}),
  Refused: declare(9, { from: 'driver', to: 'admission' }, { reason: REASON }),
  Confined: declare(19, { from: 'driver', to: 'admission' }, { reason: REASON }),

  /** To a native peer: who sends from another process, and the facets that check its messages; null: none has to be. */
  Introduce: declare(
    10,
    { from: 'registry', to: 'inbox' },
    { name: NAME, process: u32, facet: nullable(FACET), replyFacet: nullable(FACET) },
  ),

  /** Send your directory and its changes to the replica behind the handle. */
  Mirror: declare(11, { from: 'host', to: 'root', handles: ['replica', 'reply'] }, {}),

  /** The answer: all of the directory has been sent. */
  Mirrored: declare(21, { from: 'registry', to: 'replica' }, {}),

  /** A change of the directory, whose handle for acknowledgement the replica releases. */
  Change: declare(
    12,
    { from: 'registry', to: 'replica', optionalHandles: ['subject', 'acknowledgement'] },
    { change: DIRECTORY_CHANGE },
  ),

  /** Report on yourself and your connections. */
  Report: declare(13, { from: 'registry', to: 'replica', handles: ['reply'] }, {}),
  Reported: declare(23, { from: 'host', to: 'report' }, { report: HOST_REPORT }),

  /** Your last message to the driver has been processed. */
  Dealt: declare(14, { from: 'driver', to: 'inbox' }, {}),

  /** Release the handle once everything has been sent. */
  Sync: declare(15, { from: 'host', to: 'root', handles: ['reply'] }, {}),

  /** A client has connected; its socket comes as a descriptor. */
  Client: declare(
    16,
    { from: 'registry', to: 'replica' },
    {
      isUnix: bool,
      /** the bytes that it has to send first (nonce-tcp) */
      nonce: optional(bytes(1 << 8)),
      /** the address that it has connected to, without guid */
      listener: optional(text(1 << 16)),
    },
  ),

  /** Whether this host has room for clients. */
  Accepting: declare(17, { from: 'host', to: 'root' }, { isAccepting: bool }),

  /** To a native peer: whether processes that were not introduced may send to its names. */
  Strangers: declare(18, { from: 'registry', to: 'inbox' }, { areWelcome: bool }),

  /** I have refused a message of `sender`, a unique name, by the policy. */
  Denied: declare(
    20,
    { from: 'peer', to: 'driver' },
    { sender: NAME, why: REPORTED, message: REPORTED, rule: optional(REPORTED) },
  ),

  /** The answer to Resolve; `owner` is a number (envelope.ts), or -1. */
  Resolved: declare(
    22,
    { from: 'registry', to: 'lookup', optionalHandles: ['owner'] },
    {
      resolution: choice(Resolution.Unowned, Resolution.Owned, Resolution.Activatable),
      owner: i32,
    },
  ),
};

type Controls = typeof Control;
export type ControlName = keyof Controls;

/** The fields of one control message. */
export type FieldsIn<N extends ControlName> = ValueOf<Controls[N]['fields']>;

/** The control messages that arrive at one kind of node, told apart by `type`. */
export type MessageTo<P extends Place> = {
  [N in ControlName]: Controls[N]['to'] extends P ? { readonly type: N } & FieldsIn<N> : never;
}[ControlName];

const writer = new FieldWriter();

/** @throws RangeError: a field has a value that it must not have */
export function encode<F>(control: Declaration<Place, F>, fields: NoInfer<F>): Uint8Array {
  writer.begin();
  writer.u8(control.code);
  control.fields.write(writer, fields);
  return writer.finish();
}

/** Turns `message` into a control message, with newly allocated bytes. */
export function controlMessage<M extends Message, F>(
  message: M,
  control: Declaration<Place, F>,
  fields: NoInfer<F>,
): M {
  const encoded = encode(control, fields);
  message.clear().addPiece(encoded, 0, encoded.length);
  return message;
}

/** What has arrived at a node. */
export interface ControlArrival {
  readonly bytes: Uint8Array;
  readonly handles: { readonly length: number };
  /** from this one on, the handles lead to nodes of the process that sent them */
  readonly ownFrom: number;
}

/** A message that a sink accepts, as a control message. */
export function arrivalOf(message: Message): ControlArrival {
  const { ownFrom, receivedCount } = message;
  return { bytes: message.copyBytes(), handles: { length: receivedCount }, ownFrom };
}

/**
 * The control message that has arrived at a node; undefined if it is malformed, does not belong there, or its sender
 * may not send it. `isOfBus`: the sender is a process of the bus, and not a native peer.
 */
export function readControl<P extends Place>(
  place: P,
  arrival: ControlArrival,
  isOfBus: boolean,
): MessageTo<P> | undefined;
export function readControl(place: Place, arrival: ControlArrival, isOfBus: boolean): unknown {
  const [type, control] = byCode[arrival.bytes[0] ?? 0] ?? [];
  if (control?.to !== place || !maySend(control, isOfBus)) return undefined;
  if (!hasItsHandles(control, arrival)) return undefined;
  const reader = new FieldReader(arrival.bytes, 1);
  const fields = control.fields.read(reader);
  return reader.isComplete ? { type, ...fields } : undefined;
}

type AnyDeclaration = Declaration<Place, object>;

const byCode: (readonly [string, AnyDeclaration] | undefined)[] = [];
for (const [type, control] of Object.entries<AnyDeclaration>(Control)) {
  byCode[control.code] = [type, control];
}

function maySend({ from }: AnyDeclaration, isOfBus: boolean): boolean {
  return from.some((sender) => (sender !== 'peer') === isOfBus);
}

/** Handles that come from native peers, too, must lead to the sender: otherwise it speaks for somebody else. */
function hasItsHandles(
  { from, handles, optionalHandles }: AnyDeclaration,
  arrival: ControlArrival,
): boolean {
  const { length } = arrival.handles;
  const max = handles.length + optionalHandles.length;
  if (length < handles.length || length > max) return false;
  return !from.includes('peer') || arrival.ownFrom === 0;
}
