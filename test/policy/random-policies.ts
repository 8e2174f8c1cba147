import * as fc from 'fast-check';

/** Random configurations and messages for the tests that compare evaluators. */

export type RuleAttributes = Readonly<Record<string, string>>;
export interface RandomRule {
  readonly allow: boolean;
  readonly attributes: RuleAttributes;
}
export interface RandomPolicy {
  readonly audience: RuleAttributes;
  readonly rules: readonly RandomRule[];
}

export const NAMES = ['com.a.A', 'com.a.A.B', 'com.a.AX', 'com.b.C'];
const INTERFACES = ['com.x.I', 'com.x.J'];
const MEMBERS = ['M', 'N'];
const PATHS = ['/a', '/b'];
const ERRORS = ['com.x.Error.E', 'com.x.Error.F'];
const TYPES = ['method_call', 'method_return', 'error', 'signal'];

/** Present in one of `odds` cases, "*" in some of these. */
function sometimes(odds: number, values: readonly string[]): fc.Arbitrary<string | undefined> {
  const chosen = fc.constantFrom(...values, ...values, '*');
  return fc.oneof(
    { weight: odds - 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: chosen },
  );
}

function rarely(odds: number, values: readonly string[]): fc.Arbitrary<string | undefined> {
  return fc.oneof(
    { weight: odds - 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(...values) },
  );
}

const BOOLEANS = ['true', 'false'];

const messageParts = fc.record({
  side: fc.constantFrom('send', 'receive'),
  peer: sometimes(2, NAMES),
  prefix: rarely(6, ['com.a', 'com.a.A', 'com', 'com.b.C']),
  type: sometimes(2, TYPES),
  path: sometimes(6, PATHS),
  interface: sometimes(3, INTERFACES),
  member: sometimes(2, MEMBERS),
  error: sometimes(6, ERRORS),
  requestedReply: rarely(5, BOOLEANS),
  broadcast: rarely(6, BOOLEANS),
  eavesdrop: rarely(6, BOOLEANS),
  minFds: rarely(10, ['0', '1', '2']),
  maxFds: rarely(10, ['0', '1', '2']),
});

type MessageParts = typeof messageParts extends fc.Arbitrary<infer Parts> ? Parts : never;

/** Drops what dbus-daemon refuses to see combined. */
function messageAttributes(parts: MessageParts): RuleAttributes {
  const { side } = parts;
  const send = side === 'send';
  const withInterface = parts.interface !== undefined;
  const prefix = send ? parts.prefix : undefined;
  const peer = prefix === undefined ? parts.peer : undefined;
  const contradictory = peer !== undefined && parts.broadcast === 'true';
  const given: Record<string, string | undefined> = {
    [send ? 'send_destination' : 'receive_sender']: peer,
    send_destination_prefix: prefix,
    [`${side}_type`]: parts.type,
    [`${side}_path`]: parts.path,
    [`${side}_interface`]: parts.interface,
    [`${side}_member`]: withInterface || parts.path !== undefined ? parts.member : undefined,
    [`${side}_requested_reply`]: parts.requestedReply,
    send_broadcast: send && !contradictory ? parts.broadcast : undefined,
    eavesdrop: parts.eavesdrop,
    min_fds: parts.minFds,
    max_fds: parts.maxFds,
  };
  const noError = withInterface || given[`${side}_member`] !== undefined;
  given[`${side}_error`] = noError ? undefined : parts.error;
  const entries = Object.entries(given).filter((entry): entry is [string, string] => !!entry[1]);
  const sided = entries.some(([name]) => name.startsWith(side));
  return Object.fromEntries(sided ? entries : [...entries, [`${side}_type`, '*']]);
}

const ownAttributes: fc.Arbitrary<RuleAttributes> = fc.oneof(
  fc.constantFrom(...NAMES, '*').map((own) => ({ own })),
  fc.constantFrom('com', 'com.a', 'com.a.A').map((prefix) => ({ own_prefix: prefix })),
);

const rule: fc.Arbitrary<RandomRule> = fc.record({
  allow: fc.boolean(),
  attributes: fc.oneof(
    { weight: 8, arbitrary: messageParts.map(messageAttributes) },
    { weight: 1, arbitrary: ownAttributes },
  ),
});

/** Starting points: nothing allowed, nearly everything, and everything as in session.conf. */
const BASES: readonly (readonly RandomRule[])[] = [
  [],
  [
    { allow: true, attributes: { send_type: '*' } },
    { allow: true, attributes: { receive_type: '*' } },
    { allow: true, attributes: { own: '*' } },
  ],
  [
    { allow: true, attributes: { send_destination: '*', eavesdrop: 'true' } },
    { allow: true, attributes: { eavesdrop: 'true' } },
    { allow: true, attributes: { own: '*' } },
  ],
];

/** A few policies for the given users and groups on top of one of the starting points. */
export function randomPolicies(ids: {
  readonly uids: readonly number[];
  readonly gids: readonly number[];
}): fc.Arbitrary<readonly RandomPolicy[]> {
  const audience: fc.Arbitrary<RuleAttributes> = fc.oneof(
    fc.constant({ context: 'default' }),
    fc.constant({ context: 'mandatory' }),
    fc.constantFrom(...ids.uids).map((uid) => ({ user: String(uid) })),
    fc.constantFrom(...ids.gids).map((gid) => ({ group: String(gid) })),
    fc.constant({ at_console: 'false' }),
  );
  const policy = fc.record({ audience, rules: fc.array(rule, { maxLength: 5 }) });
  return fc
    .tuple(fc.constantFrom(...BASES), fc.array(policy, { minLength: 1, maxLength: 5 }))
    .map(([rules, policies]) => [{ audience: { context: 'default' }, rules }, ...policies]);
}

function element(name: string, attributes: RuleAttributes): string {
  return [name, ...Object.entries(attributes).map(([key, value]) => `${key}="${value}"`)].join(' ');
}

/** The policies as busconfig elements, one rule a line. */
export function policiesXml(policies: readonly RandomPolicy[]): string {
  return policies
    .flatMap(({ audience, rules }) => [
      `<${element('policy', audience)}>`,
      ...rules.map(
        ({ allow, attributes }) => `  <${element(allow ? 'allow' : 'deny', attributes)}/>`,
      ),
      '</policy>',
    ])
    .join('\n');
}

export interface RandomMessage {
  readonly type: number;
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly errorName?: string;
  readonly fds: number;
}

const fds = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) });

/** Valid messages of each type; calls may lack their interface. */
export const randomCall: fc.Arbitrary<RandomMessage> = fc
  .record({
    path: fc.constantFrom(...PATHS),
    interface: fc.constantFrom(...INTERFACES, undefined),
    member: fc.constantFrom(...MEMBERS),
    fds,
  })
  .map(({ interface: name, ...rest }) => ({ type: 1, ...rest, ...(name && { interface: name }) }));

export const randomSignal: fc.Arbitrary<RandomMessage> = fc.record({
  type: fc.constant(4),
  path: fc.constantFrom(...PATHS),
  interface: fc.constantFrom(...INTERFACES),
  member: fc.constantFrom(...MEMBERS),
  fds,
});

export const randomReply: fc.Arbitrary<RandomMessage> = fc.oneof(
  fc.record({ type: fc.constant(2), fds }),
  fc.record({ type: fc.constant(3), errorName: fc.constantFrom(...ERRORS), fds }),
);
