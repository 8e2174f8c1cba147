import { describe, expect, test } from 'vitest';
import { validateBody } from '#bridge/wire/body.js';
import { WireError, WireFault, wireFaultText } from '#bridge/wire/faults.js';
import { MessageHeader, frameLength } from '#bridge/wire/header.js';
import { encodeBody } from '#bridge/wire/marshal.js';
import { signatureFault } from '#bridge/wire/signature-syntax.js';
import { decodeMessage } from '#bridge/wire/message.js';
import { ascii, callWithBody, hex, viewOf } from './hex.js';
import { thrownBy } from './thrown-by.js';

/* Header fields with the padding that leads to the next field: all 8 or 16 bytes long. */
const PATH = '01016f00 02000000 2f610000 00000000'; /* 11 without padding */
const INTERFACE = '02017300 03000000 612e6200 00000000'; /* 12 */
const MEMBER = '03017300 01000000 4d000000 00000000'; /* 10 */
const ERROR_NAME = '04017300 03000000 612e6200 00000000'; /* 12 */
const REPLY_SERIAL = '05017500 09000000'; /* 8 */

/** A fault, what is wrong, and a whole message in hex. */
const MESSAGES: readonly [keyof typeof WireFault, string, string][] = [
  ['EndianMark', 'L', `4c010001 00000000 01000000 1a000000 ${PATH} ${MEMBER}`],
  ['EndianMark', 'b', `62010001 00000000 01000000 1a000000 ${PATH} ${MEMBER}`],
  ['ProtocolVersion', '0', `6c010000 00000000 01000000 1a000000 ${PATH} ${MEMBER}`],
  ['ProtocolVersion', '2', `6c010002 00000000 01000000 1a000000 ${PATH} ${MEMBER}`],
  ['FieldsTooLong', '64 MiB + 1', '6c010001 00000000 01000000 01000004'],
  ['FieldsTooLong', '64 MiB + 1, big-endian', '42010001 00000000 00000001 04000001'],
  ['FieldsTooLong', '2^32 - 1', '6c010001 ffffffff 01000000 ffffffff'],
  ['MessageTooLong', 'body of 128 MiB', '6c010001 00000008 01000000 00000000'],
  ['MessageTooLong', 'body of 2^32 - 8', '6c010001 f8ffffff 01000000 08000000'],
  ['MessageTooLong', '64 MiB + 64 MiB', '6c010001 f1ffff03 01000000 00000004'],
  [
    'MessageLength',
    'one byte too many',
    `6c010001 00000000 01000000 1a000000 ${PATH} ${MEMBER} 00`,
  ],
  ['MessageLength', 'the body is missing', `6c010001 01000000 01000000 1a000000 ${PATH} ${MEMBER}`],
  ['MessageType', '0', `6c000001 00000000 01000000 1a000000 ${PATH} ${MEMBER}`],
  ['Serial', '0', `6c010001 00000000 00000000 1a000000 ${PATH} ${MEMBER}`],
  [
    'Padding',
    'between fields',
    `6c010001 00000000 01000000 1a000000 01016f00 02000000 2f610000 00000001 ${MEMBER}`,
  ],
  [
    'Padding',
    'before the body',
    `6c010001 00000000 01000000 1a000000 ${PATH} 03017300 01000000 4d00ff00 00000000`,
  ],
  ['FieldCode', '0', `6c010001 00000000 01000000 25000000 ${PATH} ${MEMBER} 00017900 07000000`],
  [
    'FieldType',
    'PATH as a string',
    `6c010001 00000000 01000000 1a000000 01017300 02000000 2f610000 00000000 ${MEMBER}`,
  ],
  [
    'FieldType',
    'MEMBER as an array',
    `6c010001 00000000 01000000 1a000000 ${PATH} 03026179 00000000 00000000 00000000`,
  ],
  [
    'FieldType',
    'no type',
    `6c010001 00000000 01000000 1a000000 ${PATH} 03000000 00000000 00000000 00000000`,
  ],
  [
    'FieldType',
    'field 10, CONTAINER_INSTANCE of the reference implementation, as a byte',
    `6c010001 00000000 01000000 25000000 ${PATH} ${MEMBER} 0a017900 07000000`,
  ],
  [
    'FieldDuplicate',
    'field 10 twice',
    `6c010001 00000000 01000000 3a000000 ${PATH} ${MEMBER} 0a016f00 02000000 2f610000 00000000
     0a016f00 02000000 2f610000 00000000`,
  ],
  [
    'FieldDuplicate',
    'MEMBER twice',
    `6c010001 00000000 01000000 2a000000 ${PATH} ${MEMBER} ${MEMBER}`,
  ],
  ['FieldsLength', 'padding counted', `6c010001 00000000 01000000 20000000 ${PATH} ${MEMBER}`],
  ['OutOfBounds', 'cut field', `6c010001 00000000 01000000 14000000 ${PATH} 03017300 00000000`],
  [
    'OutOfBounds',
    'cut field code',
    `6c010001 00000000 01000000 11000000 ${PATH} 03000000 00000000`,
  ],
  [
    'OutOfBounds',
    'length of 2^32 - 1',
    `6c010001 00000000 01000000 1a000000 ${PATH} 03017300 ffffffff 4d000000 00000000`,
  ],
  [
    'OutOfBounds',
    'string that ends where its NUL would be',
    `6c010001 00000000 01000000 1a000000 ${PATH} 03017300 02000000 4d4d0000 00000000`,
  ],
  [
    'OutOfBounds',
    'signature beyond the fields',
    `6c010001 00000000 01000000 26000000 ${PATH} ${MEMBER} 08016700 05750000`,
  ],
  [
    'OutOfBounds',
    'unknown field beyond the fields',
    `6c010001 00000000 01000000 26000000 ${PATH} ${MEMBER} 20017500 05750000`,
  ],
  [
    'NotTerminated',
    'PATH',
    `6c010001 00000000 01000000 1a000000 01016f00 02000000 2f617800 00000000 ${MEMBER}`,
  ],
  [
    'NotTerminated',
    'SIGNATURE',
    `6c010001 00000000 01000000 27000000 ${PATH} ${MEMBER} 08016700 01757500`,
  ],
  [
    'Path',
    '//',
    `6c010001 00000000 01000000 1a000000 01016f00 02000000 2f2f0000 00000000 ${MEMBER}`,
  ],
  [
    'Interface',
    'a..',
    `6c010001 00000000 01000000 2a000000 ${PATH} 02017300 03000000 612e2e00 00000000 ${MEMBER}`,
  ],
  [
    'Member',
    '1',
    `6c010001 00000000 01000000 1a000000 ${PATH} 03017300 01000000 31000000 00000000`,
  ],
  [
    'ErrorName',
    'abc',
    `6c030001 00000000 01000000 18000000 04017300 03000000 61626300 00000000 ${REPLY_SERIAL}`,
  ],
  [
    'Destination',
    '1.2',
    `6c010001 00000000 01000000 2a000000 ${PATH} 06017300 03000000 312e3200 00000000 ${MEMBER}`,
  ],
  [
    'Sender',
    ':1.',
    `6c010001 00000000 01000000 2a000000 ${PATH} 07017300 03000000 3a312e00 00000000 ${MEMBER}`,
  ],
  ['ReplySerial', '0', '6c020001 00000000 01000000 08000000 05017500 00000000'],
  [
    'ReservedPath',
    'as a whole',
    `6c010001 00000000 01000000 32000000
     01016f00 1b000000 ${ascii('/org/freedesktop/DBus/Local')} 00 00000000 ${MEMBER}`,
  ],
  [
    'ReservedPath',
    'as a beginning',
    `6c010001 00000000 01000000 32000000
     01016f00 1d000000 ${ascii('/org/freedesktop/DBus/Local/x')} 00 0000 ${MEMBER}`,
  ],
  [
    'ReservedInterface',
    'as a whole',
    `6c040001 00000000 01000000 42000000 ${PATH}
     02017300 1a000000 ${ascii('org.freedesktop.DBus.Local')} 00 0000000000 ${MEMBER}`,
  ],
  ['MissingPath', 'call', '6c010001 00000000 01000000 0a000000 ' + MEMBER],
  ['MissingMember', 'call', '6c010001 00000000 01000000 0b000000 ' + PATH],
  ['MissingInterface', 'signal', `6c040001 00000000 01000000 1a000000 ${PATH} ${MEMBER}`],
  ['MissingMember', 'signal', `6c040001 00000000 01000000 1c000000 ${PATH} ${INTERFACE}`],
  ['MissingPath', 'signal', `6c040001 00000000 01000000 1a000000 ${INTERFACE} ${MEMBER}`],
  ['MissingErrorName', 'error', `6c030001 00000000 01000000 08000000 ${REPLY_SERIAL}`],
  ['MissingReplySerial', 'error', `6c030001 00000000 01000000 0c000000 ${ERROR_NAME}`],
  ['MissingReplySerial', 'return', '6c020001 00000000 01000000 00000000'],
];

const nestedDicts = (depth: number): string => 'a{s'.repeat(depth) + 'y' + '}'.repeat(depth);
const nestedStructs = (depth: number): string => '('.repeat(depth) + 'y' + ')'.repeat(depth);

const SIGNATURES: readonly [keyof typeof WireFault, string][] = [
  ['SignatureTypeCode', 'z'],
  ['SignatureTypeCode', 'ar'],
  ['SignatureTypeCode', 'a{se}'],
  ['SignatureTooLong', 'y'.repeat(256)],
  ['SignatureArrayDepth', 'a'.repeat(33) + 'y'],
  ['SignatureStructDepth', nestedStructs(33)],
  ['SignatureDictDepth', nestedDicts(33)],
  ['SignatureArrayElement', 'a'],
  ['SignatureArrayElement', '(a)'],
  ['SignatureArrayElement', 'a{sa}'],
  ['SignatureStructEmpty', '()'],
  ['SignatureUnbalanced', '('],
  ['SignatureUnbalanced', '(y'],
  ['SignatureUnbalanced', 'y)'],
  ['SignatureUnbalanced', '(y}'],
  ['SignatureUnbalanced', 'a{'],
  ['SignatureUnbalanced', 'a{s'],
  ['SignatureUnbalanced', 'a{sy'],
  ['SignatureDictEntry', '{sy}'],
  ['SignatureDictEntry', '({sy})'],
  ['SignatureDictEntry', 'a{}'],
  ['SignatureDictEntry', 'a{s}'],
  ['SignatureDictEntry', 'a{syy}'],
  ['SignatureDictKey', 'a{vy}'],
  ['SignatureDictKey', 'a{(y)y}'],
  ['SignatureDictKey', 'a{ayy}'],
];

const VALID_SIGNATURES: readonly string[] = [
  '',
  'ybnqiuxtdhsogv',
  'y'.repeat(255),
  'a'.repeat(32) + 'y',
  nestedStructs(32),
  nestedDicts(32),
  `a(${'a'.repeat(32)}(y))`,
  'a{s(a{sv}ay)}',
];

/** A fault, the signature of the body, and the body, little-endian. */
const BODIES: readonly [keyof typeof WireFault, string, string][] = [
  ['OutOfBounds', 'y', ''],
  ['OutOfBounds', 'u', '0100'],
  ['OutOfBounds', 'yu', '01 00'],
  ['OutOfBounds', 'at', '00000000'],
  ['OutOfBounds', 's', 'ffffffff 6100'],
  ['OutOfBounds', 's', '02000000 6100'],
  ['OutOfBounds', 'ai', '08000000 01000000'],
  ['OutOfBounds', 'g', '02 7900'],
  ['OutOfBounds', 'v', 'ff 7900'],
  ['OutOfBounds', 'v', '01 7500'],
  ['OutOfBounds', '(y)', ''],
  ['TrailingBytes', '', '00'],
  ['TrailingBytes', 'y', '0101'],
  ['TrailingBytes', 's', '01000000 610000'],
  ['Padding', 'yu', '01 00ff00 02000000'],
  ['Padding', 'y(y)', '01 00000000000001 02'],
  ['Padding', 'at', '00000000 00000001'],
  ['Padding', 'v', '017500 01 05000000'],
  ['Boolean', 'b', '02000000'],
  ['Boolean', 'b', '00000080'],
  ['Boolean', 'ab', '08000000 01000000 02000000'],
  ['NotTerminated', 's', '01000000 6161'],
  ['NotTerminated', 'g', '01 7979'],
  ['NotTerminated', 'v', '01 7979 05'],
  ['Utf8', 's', '01000000 0000'],
  ['Utf8', 's', '06000000 61006263646500'],
  ['Utf8', 's', '01000000 8000'],
  ['Utf8', 's', '01000000 c300'],
  ['Utf8', 's', '02000000 c08000'],
  ['Utf8', 's', '02000000 c36100'],
  ['Utf8', 's', '03000000 e0808000'],
  ['Utf8', 's', '03000000 eda08000'],
  ['Utf8', 's', '04000000 f4908080 00'],
  ['Utf8', 's', '04000000 f0808080 00'],
  ['Utf8', 's', '05000000 61626364ff00'],
  ['ObjectPath', 'o', '00000000 00'],
  ['ObjectPath', 'o', '01000000 6100'],
  ['ObjectPath', 'o', '03000000 2f612f00'],
  ['ArrayTooLong', 'ay', '01000004'],
  ['ArrayTooLong', 'as', 'ffffffff'],
  ['ArrayLength', 'ai', '03000000 010000'],
  ['ArrayLength', 'as', '05000000 01000000 6100'],
  ['ArrayLength', 'a(y)', '02000000 00000000 01 00000000000000 02'],
  ['SignatureNotSingle', 'v', '0000'],
  ['SignatureNotSingle', 'v', '02 797900 0102'],
  ['SignatureTypeCode', 'v', '01 7a00 01'],
  ['SignatureTypeCode', 'g', '01 7a00'],
  ['Nesting', 'v', '017600'.repeat(64) + '017900 07'],
  ['Nesting', 'av', 'c4000000' + '017600'.repeat(64) + '017900 07'],
];

function scanFault(bytes: Uint8Array): number {
  const header = new MessageHeader();
  return header.scan(bytes, viewOf(bytes), 0, bytes.length) || validateBody(header);
}

describe('messages that are refused', () => {
  test.each(MESSAGES)('%s: %s', (fault, _title, digits) => {
    const bytes = hex(digits);
    expect(wireFaultText(scanFault(bytes))).toBe(wireFaultText(WireFault[fault]));
    const error = thrownBy(() => decodeMessage(bytes));
    expect(error).toBeInstanceOf(WireError);
    expect(error).toHaveProperty('code', WireFault[fault]);
  });

  test('the messages that they were made of are valid', () => {
    for (const digits of [
      `6c010001 00000000 01000000 1a000000 ${PATH} ${MEMBER}`,
      `6c040001 00000000 01000000 2a000000 ${PATH} ${INTERFACE} ${MEMBER}`,
      `6c020001 00000000 01000000 08000000 ${REPLY_SERIAL}`,
      `6c030001 00000000 01000000 18000000 ${ERROR_NAME} ${REPLY_SERIAL}`,
    ]) {
      expect(wireFaultText(scanFault(hex(digits)))).toBe(wireFaultText(0));
    }
  });
});

describe('signatures that are refused', () => {
  test.each(SIGNATURES)('%s: %s', (fault, signature) => {
    const bytes = Buffer.from(signature);
    expect(wireFaultText(signatureFault(bytes, 0, bytes.length))).toBe(
      wireFaultText(WireFault[fault]),
    );
    if (bytes.length > 255) return;
    const message = callWithBody(signature, new Uint8Array(0));
    expect(wireFaultText(scanFault(message))).toBe(wireFaultText(WireFault[fault]));
  });

  test.each(VALID_SIGNATURES)('not: %s', (signature) => {
    const bytes = Buffer.from(signature);
    expect(signatureFault(bytes, 0, bytes.length)).toBe(0);
  });
});

describe('bodies that are refused', () => {
  test.each(BODIES)('%s: %s as %s', (fault, signature, digits) => {
    const message = callWithBody(signature, hex(digits));
    expect(wireFaultText(scanFault(message))).toBe(wireFaultText(WireFault[fault]));
    expect(thrownBy(() => decodeMessage(message))).toHaveProperty('code', WireFault[fault]);
  });
});

test('every fault has a text, and is met in this file', () => {
  const met = new Set<string>([...MESSAGES, ...SIGNATURES, ...BODIES].map(([fault]) => fault));
  const unmet = Object.keys(WireFault).filter((fault) => !met.has(fault));
  expect(unmet).toEqual(['Value']);
  expect(thrownBy(() => encodeBody('y', [256]))).toHaveProperty('code', WireFault.Value);
  const texts = Object.values(WireFault).map(wireFaultText);
  expect(new Set(texts).size).toBe(texts.length);
  expect(texts.filter((text) => text.startsWith('unknown'))).toEqual([]);
});

test('the length of a message is known from its first 16 bytes', () => {
  const bytes = hex('6c010001 05000000 01000000 0b000000', '00'.repeat(16));
  for (let end = 0; end < 16; end++) expect(frameLength(bytes, viewOf(bytes), 0, end)).toBe(0);
  expect(frameLength(bytes, viewOf(bytes), 0, 16)).toBe(16 + 16 + 5);
  const longest = hex('6c010001 f0ffff07 01000000 00000000');
  expect(frameLength(longest, viewOf(longest), 0, 16)).toBe(128 * 1024 * 1024);
});
