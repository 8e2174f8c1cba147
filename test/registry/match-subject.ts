import type { MatchIndex, MatchSubject } from '#bridge/registry/match-index.js';
import { MessageHeader } from '#bridge/wire/header.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import type { MessageModel } from './match-model.js';

const TYPES: Record<string, number> = {
  method_call: MessageType.MethodCall,
  method_return: MessageType.MethodReturn,
  error: MessageType.Error,
  signal: MessageType.Signal,
};

/** The message as the bytes that a host would have received. */
export function encodeModel(message: MessageModel, serial = 1): Uint8Array {
  const type = TYPES[message.type];
  return encodeMessage(
    {
      type,
      serial,
      path: message.path,
      interface: message.interface,
      member: message.member,
      destination: message.destination,
      signature: message.body.map(([signature]) => signature).join(''),
      ...(message.type === 'error' && { errorName: 'e.E' }),
      ...(/return|error/u.test(message.type) && { replySerial: 9 }),
    },
    message.body.map(([, value]) => value),
    message.littleEndian,
  );
}

/** The message as a caller of `collect` presents it; it is not the first one in its buffer. */
export function subjectOf(message: MessageModel, index: MatchIndex<object>): MatchSubject {
  const encoded = encodeModel(message);
  const start = 16;
  const bytes = new Uint8Array(start + encoded.length + 8).fill(0xaa);
  bytes.set(encoded, start);
  const view = new DataView(bytes.buffer);
  const header = new MessageHeader();
  const fault = header.scan(bytes, view, start, start + encoded.length);
  if (fault !== 0) throw new Error(`the message does not scan: ${fault}`);
  return {
    header,
    senderIds: message.senderNames.map((name) => index.interner.retain(name)),
    senderIdCount: message.senderNames.length,
    destinationIds: message.destinationNames.map((name) => index.interner.retain(name)),
    destinationIdCount: message.destinationNames.length,
  };
}

/** Gives back what {@link subjectOf} retained. */
export function releaseSubject(subject: MatchSubject, index: MatchIndex<object>): void {
  for (const id of [...Array.from(subject.senderIds), ...Array.from(subject.destinationIds)]) {
    index.interner.release(id);
  }
}
