import { isDeepStrictEqual } from 'node:util';
import { MessageType, Variant } from '#bridge/wire/types.js';
import { interfacesOf } from './introspection.js';
import { DRIVER, valueText, type MessageSpec } from './operation.js';
import type { ReceivedMessage } from './raw-client.js';

/** A message without what may differ from bus to bus. Absent fields are absent. */
export interface NormalMessage {
  readonly type: number;
  readonly flags: number;
  readonly sender?: string | undefined;
  readonly destination?: string | undefined;
  readonly path?: string | undefined;
  readonly interface?: string | undefined;
  readonly member?: string | undefined;
  readonly errorName?: string | undefined;
  readonly replySerial?: number | undefined;
  readonly signature?: string | undefined;
  /** Of the bus's own messages only that it is not zero. */
  readonly serial: number | string;
  readonly body: readonly unknown[];
  readonly littleEndian: boolean;
  readonly hasUnknownFields: boolean;
}

/** An error of the bus: what it says to humans is compared apart. */
export interface ErrorText {
  readonly text: string;
}

export interface Names {
  /** Puts `#2` in the place of the unique name of client 2, wherever it stands in a text. */
  symbolic(text: string): string;
  /** The call that a client has sent with this serial. */
  call(client: number, serial: number): MessageSpec | undefined;
}

const CLIENT = /^#(\d+)$/u;

export function normalise(message: ReceivedMessage, receiver: number, names: Names): NormalMessage {
  const symbolic = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : names.symbolic(text);
  const sender = symbolic(message.sender);
  const destination = symbolic(message.destination);
  const isOfBus = sender === undefined || sender === DRIVER;
  const plain = message.body.map((value) => normalValue(value, names));
  /* without a sender it is for nobody else, whatever its destination says */
  const addressee = sender === undefined ? undefined : CLIENT.exec(destination ?? '')?.[1];
  const caller = Number(addressee ?? receiver);
  const call = isOfBus ? names.call(caller, message.replySerial ?? 0) : undefined;
  return {
    ...message,
    sender,
    destination,
    serial: isOfBus ? 'not zero' : message.serial,
    body: isOfBus ? normalAnswer(message, plain, call) : plain,
  };
}

function normalAnswer(
  { type }: ReceivedMessage,
  body: readonly unknown[],
  call: MessageSpec | undefined,
): readonly unknown[] {
  if (type === MessageType.Error && typeof body[0] === 'string') {
    return [{ text: body[0] } satisfies ErrorText];
  }
  if (type !== MessageType.MethodReturn || call === undefined) return body;
  const normal = ANSWERS.get(call.member ?? '');
  return normal === undefined ? body : normal(body, call);
}

/** What a method of the bus returns, without what no two buses have in common. */
const ANSWERS = new Map<string, (body: readonly unknown[], call: MessageSpec) => unknown[]>([
  ['GetId', ([id]) => [/^[0-9a-f]{32}$/u.test(String(id)) ? 'a guid' : id]],
  ['GetMachineId', ([id]) => [/^[0-9a-f]{32}$/u.test(String(id)) ? 'a machine id' : id]],
  ['ListNames', sortedList],
  ['ListActivatableNames', sortedList],
  ['Introspect', ([xml]) => [interfacesOf(String(xml))]],
  [
    'GetAllMatchRules',
    ([rules]) => [sorted([...(rules as Map<string, string[]>)].map(sortedRules))],
  ],
  ['GetStats', ([figures]) => [comparableFigures(figures, [])]],
  ['GetConnectionStats', ([figures]) => [comparableFigures(figures, COMPARABLE_FIGURES)]],
  ['GetConnectionUnixProcessID', ([pid], call) => [isAboutBus(call) ? 'the pid of the bus' : pid]],
  ['GetConnectionCredentials', ([values], call) => [isAboutBus(call) ? keysOf(values) : values]],
]);

/** Figures of Debug.Stats that follow from the conversation alone. */
const COMPARABLE_FIGURES = [
  'UniqueName',
  'MatchRules',
  'PeakMatchRules',
  'BusNames',
  'PeakBusNames',
];

function isAboutBus({ body = [] }: MessageSpec): boolean {
  return body[0] === DRIVER;
}

/** In an order that means nothing, but is always the same. */
function sorted(list: Iterable<unknown>): unknown[] {
  const keyed = [...list].map((each) => [valueText(each), each] as const);
  return keyed.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

function sortedList([list]: readonly unknown[]): unknown[] {
  return [Array.isArray(list) ? sorted(list) : list];
}

function sortedRules([name, rules]: [string, string[]]): unknown[] {
  return [name, rules.toSorted()];
}

function keysOf(values: unknown): unknown {
  return values instanceof Map ? sorted(values.keys()) : values;
}

/** Every key of the specification's, and the values that can be compared. */
function comparableFigures(figures: unknown, comparable: readonly string[]): unknown {
  if (!(figures instanceof Map)) return figures;
  const known = [...(figures as Map<string, { signature: string; value: unknown }>)].filter(
    ([key]) => !key.includes('.'),
  );
  return sorted(
    known.map(([key, { signature, value }]) => [
      key,
      signature,
      comparable.includes(key) ? value : 'a figure',
    ]),
  );
}

function normalValue(value: unknown, names: Names): unknown {
  if (typeof value === 'string') return names.symbolic(value);
  if (Array.isArray(value)) return value.map((each) => normalValue(each, names));
  if (value instanceof Variant) {
    return { signature: value.signature, value: normalValue(value.value, names) };
  }
  if (value instanceof Map) {
    return new Map(
      [...value].map(([key, each]) => [normalValue(key, names), normalValue(each, names)]),
    );
  }
  return value;
}

export function isErrorText(value: unknown): value is ErrorText {
  return typeof value === 'object' && value !== null && 'text' in value;
}

/** The same message, apart from what an error says to humans. */
export function isSameMessage(a: NormalMessage | string, b: NormalMessage | string): boolean {
  return isDeepStrictEqual(withoutText(a), withoutText(b));
}

function withoutText(message: NormalMessage | string): unknown {
  if (typeof message === 'string' || !isErrorText(message.body[0])) return message;
  return { ...message, body: ['a text'] };
}
