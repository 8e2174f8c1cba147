/** D-Bus Specification, "Message Format": the kinds of message. 5 to 255 are valid but unknown. */
export const MessageType = {
  Invalid: 0,
  MethodCall: 1,
  MethodReturn: 2,
  Error: 3,
  Signal: 4,
} as const;

export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** Bits of the flags byte; readers ignore all others. */
export const MessageFlag = {
  NoReplyExpected: 1,
  NoAutoStart: 2,
  AllowInteractiveAuthorization: 4,
} as const;

export type MessageFlag = (typeof MessageFlag)[keyof typeof MessageFlag];

// hot
export function wantsReply({
  type,
  flags,
}: {
  readonly type: number;
  readonly flags: number;
}): boolean {
  return type === MessageType.MethodCall && (flags & MessageFlag.NoReplyExpected) === 0;
}

/** "Header Fields". 0 is never valid; fields with a code above 10 are skipped, and 10 once it has been checked. */
export const FieldCode = {
  Path: 1,
  Interface: 2,
  Member: 3,
  ErrorName: 4,
  ReplySerial: 5,
  Destination: 6,
  Sender: 7,
  Signature: 8,
  UnixFds: 9,
  /** Of the reference implementation: not in the specification. */
  ContainerInstance: 10,
} as const;

export type FieldCode = (typeof FieldCode)[keyof typeof FieldCode];

/** "Type System": type codes, as the bytes that encode them in a signature. */
export const TypeCode = {
  Byte: 0x79 /* y */,
  Boolean: 0x62 /* b */,
  Int16: 0x6e /* n */,
  UInt16: 0x71 /* q */,
  Int32: 0x69 /* i */,
  UInt32: 0x75 /* u */,
  Int64: 0x78 /* x */,
  UInt64: 0x74 /* t */,
  Double: 0x64 /* d */,
  UnixFd: 0x68 /* h */,
  String: 0x73 /* s */,
  ObjectPath: 0x6f /* o */,
  Signature: 0x67 /* g */,
  Variant: 0x76 /* v */,
  Array: 0x61 /* a */,
  StructBegin: 0x28 /* ( */,
  StructEnd: 0x29 /* ) */,
  DictEntryBegin: 0x7b /* { */,
  DictEntryEnd: 0x7d /* } */,
} as const;

export type TypeCode = (typeof TypeCode)[keyof typeof TypeCode];

/** The first byte of a message. */
export const EndianMark = { Little: 0x6c /* l */, Big: 0x42 /* B */ } as const;

/** A value together with its type, which must be one single complete type. */
export class Variant<T = unknown> {
  readonly signature: string;
  readonly value: T;

  constructor(signature: string, value: T) {
    this.signature = signature;
    this.value = value;
  }
}
