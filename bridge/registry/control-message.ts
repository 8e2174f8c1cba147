import type { Message } from '#core/index.js';

/**
 * Control messages: instructions of the driver to a connection's shim, requests of a shim to the registry, and so on.
 * They travel on the same nodes as D-Bus messages, but have no envelope, and their first byte is not an endian mark.
 */
export const ControlCode = {
  /** to an inbox: the number of your unique name follows (u32, envelope.ts) */
  Welcome: 1,
  /** to a name node: release yourself; '1' follows if a new node is wanted for a place in the queue, or '0' */
  ReleaseName: 2,
  /** to an inbox: keep only the node that came with BecomeMonitor, and accept nothing more from the client */
  BecomeMonitor: 3,
  /** to an inbox: close the connection; the reason follows as UTF-8 */
  Disconnect: 4,
  /** to the registry: who owns the name that follows? */
  Resolve: 5,
  /** to the driver: a node for the queued name that follows, in exchange for one that was released */
  NameNode: 6,
  /** to the domain's root node, with a handle to the sender's inbox: admit me; an AdmissionRequest follows as JSON */
  Admit: 7,
  /** the answer, with handles to a node of the driver's and one of the registry's */
  Admitted: 8,
  /** the answer, with the reason */
  Refused: 9,
  /** to the inbox of a native peer: who sends from another process, and what it may send (Introduction, as JSON) */
  Introduce: 10,
  /** to the domain's root node, by a host: send your directory and its changes to the replica behind the handle */
  Mirror: 11,
  /** to a replica: a change of the directory follows (directory-change.ts) */
  Change: 12,
  /** to a replica: asks for the figures of its connections */
  Report: 13,
  /** to an inbox in another process: your last message to the driver has been processed */
  Dealt: 14,
  /** to the domain's root node, by a host: release the attached handle once everything has been sent */
  Sync: 15,
  /** to a replica, with a socket: a client has connected (NewClient, as JSON) */
  Client: 16,
  /** to the domain's root node, by a host: whether it accepts clients ('1') or has no room for any ('0') */
  Accepting: 17,
  /** to the inbox of a native peer: whether processes that were not introduced may send to its names ('1'), or not */
  Strangers: 18,
  /** the answer to Admit: a role limits what you see of the bus, so you need a socket; the reason follows */
  Confined: 19,
  /** to the driver, by a native peer: it has refused a message by the policy (ReportedDenial, as JSON) */
  Denied: 20,
} as const;
export type ControlCode = (typeof ControlCode)[keyof typeof ControlCode];

/** First byte of the registry's answer to `Resolve`; `Owned` and `Activatable` come with a handle. */
export const Resolution = {
  Unowned: 0,
  Owned: 1,
  /** the handle leads to a node where messages wait until the service has started */
  Activatable: 2,
} as const;
export type Resolution = (typeof Resolution)[keyof typeof Resolution];

/** The registry's answer: what it found, and the owner's number. */
export function resolutionBytes(resolution: Resolution, owner: number): Uint8Array {
  const bytes = new Uint8Array(5);
  bytes[0] = resolution;
  new DataView(bytes.buffer).setInt32(1, owner, true);
  return bytes;
}

/** Reads such an answer; an unknown code counts as `Unowned`. */
export function parseResolution(bytes: Uint8Array): { resolution: Resolution; owner: number } {
  const code = bytes[0];
  const isFound = code === Resolution.Owned || code === Resolution.Activatable;
  return { resolution: isFound ? code : Resolution.Unowned, owner: parseControl(bytes).number | 0 };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function controlBytes(code: ControlCode, argument: string | number = ''): Uint8Array {
  if (typeof argument === 'number') {
    const bytes = new Uint8Array(5);
    bytes[0] = code;
    new DataView(bytes.buffer).setUint32(1, argument, true);
    return bytes;
  }
  const text = encoder.encode(argument);
  const bytes = new Uint8Array(1 + text.length);
  bytes[0] = code;
  bytes.set(text, 1);
  return bytes;
}

export interface Control {
  readonly code: number;
  readonly text: string;
  readonly number: number;
}

export function parseControl(bytes: Uint8Array): Control {
  return {
    code: bytes[0] ?? 0,
    text: decoder.decode(bytes.slice(1)),
    number: bytes.length >= 5 ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(1, true) : 0,
  };
}

/** Turns `message` into a control message, with newly allocated bytes. */
export function controlMessage<M extends Message>(
  message: M,
  code: ControlCode,
  argument: string | number = '',
): M {
  const bytes = controlBytes(code, argument);
  message.clear().addPiece(bytes, 0, bytes.length);
  return message;
}
