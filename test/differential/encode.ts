import { encodeMessage } from '#bridge/wire/message.js';
import { Variant } from '#bridge/wire/types.js';
import { withField } from './damage.js';
import type { MessageSpec } from './operation.js';

/** Field code 200, a UINT32. */
const UNKNOWN_FIELD = [200, 1, 0x75, 0, 1, 2, 3, 4];

/** The bytes of a message; `resolve` puts unique names in the place of `#2`. */
export function encodeSpec(spec: MessageSpec, resolve: (text: string) => string): Uint8Array {
  const { body = [], forgedSender, hasUnknownField, isBigEndian, ...fields } = spec;
  const bytes = encodeMessage(
    {
      ...fields,
      destination: fields.destination === undefined ? undefined : resolve(fields.destination),
      sender: forgedSender === undefined ? undefined : resolve(forgedSender),
    },
    body.map((value) => resolveIn(value, resolve)),
    isBigEndian !== true,
  );
  return hasUnknownField === true && isBigEndian !== true ? withField(bytes, UNKNOWN_FIELD) : bytes;
}

function resolveIn(value: unknown, resolve: (text: string) => string): unknown {
  if (typeof value === 'string') return resolve(value);
  if (Array.isArray(value)) return value.map((each) => resolveIn(each, resolve));
  if (value instanceof Variant) {
    return new Variant(value.signature, resolveIn(value.value, resolve));
  }
  return value;
}
