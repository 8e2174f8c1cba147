/**
 * Why a message is not valid D-Bus. Functions of the hot path return these codes (0 is "no fault"),
 * the others throw them in a {@link WireError}. Numbers are stable: add at the end.
 */
export const WireFault = {
  EndianMark: 1,
  ProtocolVersion: 2,
  FieldsTooLong: 3,
  MessageTooLong: 4,
  MessageLength: 5,
  MessageType: 6,
  Serial: 7,
  Padding: 8,
  FieldCode: 9,
  FieldType: 10,
  FieldDuplicate: 11,
  FieldsLength: 12,
  Path: 13,
  Interface: 14,
  Member: 15,
  ErrorName: 16,
  Destination: 17,
  Sender: 18,
  ReplySerial: 19,
  ReservedPath: 20,
  ReservedInterface: 21,
  MissingPath: 22,
  MissingInterface: 23,
  MissingMember: 24,
  MissingErrorName: 25,
  MissingReplySerial: 26,
  SignatureTypeCode: 27,
  SignatureTooLong: 28,
  SignatureArrayDepth: 29,
  SignatureStructDepth: 30,
  SignatureDictDepth: 31,
  SignatureArrayElement: 32,
  SignatureStructEmpty: 33,
  SignatureUnbalanced: 34,
  SignatureDictEntry: 35,
  SignatureDictKey: 36,
  SignatureNotSingle: 37,
  OutOfBounds: 38,
  NotTerminated: 39,
  Utf8: 40,
  Boolean: 41,
  ObjectPath: 42,
  ArrayTooLong: 43,
  ArrayLength: 44,
  Nesting: 45,
  TrailingBytes: 46,
  Value: 47,
} as const;

export type WireFault = (typeof WireFault)[keyof typeof WireFault];

const TEXTS: Readonly<Record<number, string | undefined>> = {
  [WireFault.EndianMark]: "the first byte is neither 'l' nor 'B'",
  [WireFault.ProtocolVersion]: 'the protocol version is not 1',
  [WireFault.FieldsTooLong]: 'the header fields are longer than 64 MiB',
  [WireFault.MessageTooLong]: 'the message is longer than 128 MiB',
  [WireFault.MessageLength]: 'the message is shorter or longer than its header says',
  [WireFault.MessageType]: 'the message type is 0',
  [WireFault.Serial]: 'the serial is 0',
  [WireFault.Padding]: 'a padding byte is not zero',
  [WireFault.FieldCode]: 'a header field has the code 0',
  [WireFault.FieldType]: 'a header field has a value of the wrong type',
  [WireFault.FieldDuplicate]: 'a header field appears twice',
  [WireFault.FieldsLength]: 'the last header field does not end where the header fields end',
  [WireFault.Path]: 'the PATH field is not a valid object path',
  [WireFault.Interface]: 'the INTERFACE field is not a valid interface name',
  [WireFault.Member]: 'the MEMBER field is not a valid member name',
  [WireFault.ErrorName]: 'the ERROR_NAME field is not a valid error name',
  [WireFault.Destination]: 'the DESTINATION field is not a valid bus name',
  [WireFault.Sender]: 'the SENDER field is not a valid bus name',
  [WireFault.ReplySerial]: 'the REPLY_SERIAL field is 0',
  [WireFault.ReservedPath]: 'the path /org/freedesktop/DBus/Local must not be used on the wire',
  [WireFault.ReservedInterface]:
    'the interface org.freedesktop.DBus.Local must not be used on the wire',
  [WireFault.MissingPath]: 'the PATH field is missing',
  [WireFault.MissingInterface]: 'the INTERFACE field is missing',
  [WireFault.MissingMember]: 'the MEMBER field is missing',
  [WireFault.MissingErrorName]: 'the ERROR_NAME field is missing',
  [WireFault.MissingReplySerial]: 'the REPLY_SERIAL field is missing',
  [WireFault.SignatureTypeCode]: 'a signature has an unknown type code',
  [WireFault.SignatureTooLong]: 'a signature is longer than 255 bytes',
  [WireFault.SignatureArrayDepth]: 'a signature nests more than 32 arrays',
  [WireFault.SignatureStructDepth]: 'a signature nests more than 32 structs',
  [WireFault.SignatureDictDepth]: 'a signature nests more than 32 dict entries',
  [WireFault.SignatureArrayElement]: 'a signature has an array without an element type',
  [WireFault.SignatureStructEmpty]: 'a signature has a struct without fields',
  [WireFault.SignatureUnbalanced]: 'a signature has a bracket without its counterpart',
  [WireFault.SignatureDictEntry]:
    'a signature has a dict entry that is not the element of an array, or not one key and one value',
  [WireFault.SignatureDictKey]: 'a signature has a dict entry whose key is not of a basic type',
  [WireFault.SignatureNotSingle]: 'the signature of a variant is not one single complete type',
  [WireFault.OutOfBounds]: 'a value ends beyond the data that contains it',
  [WireFault.NotTerminated]: 'a string or signature does not end with a zero byte',
  [WireFault.Utf8]: 'a string is not valid UTF-8, or contains U+0000',
  [WireFault.Boolean]: 'a boolean is neither 0 nor 1',
  [WireFault.ObjectPath]: 'a value of type object path is not a valid object path',
  [WireFault.ArrayTooLong]: 'an array is longer than 64 MiB',
  [WireFault.ArrayLength]: 'the last element of an array does not end where the array ends',
  [WireFault.Nesting]: 'values are nested more than 64 deep',
  [WireFault.TrailingBytes]: 'the body is longer than its signature says',
  [WireFault.Value]: 'a value cannot be marshalled',
} satisfies Record<WireFault, string>;

/** What a fault code means, for logs and error messages. */
export function wireFaultText(code: number): string {
  return TEXTS[code] ?? `unknown fault ${code}`;
}

/** Bytes that are not valid D-Bus, or values that cannot be marshalled. `code` is a {@link WireFault}. */
export class WireError extends Error {
  readonly code: number;

  constructor(code: number, detail?: string) {
    const text = wireFaultText(code);
    super(detail === undefined ? text : `${detail}: ${text}`);
    this.name = 'WireError';
    this.code = code;
  }
}
