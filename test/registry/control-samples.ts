import type { ControlName, FieldsIn } from '#bridge/registry/control-message.js';
import type { DirectoryChange } from '#bridge/registry/directory-change.js';
import { NO_FIGURES } from '#bridge/registry/connection.js';
import {
  DEFAULT_LIMITS,
  type FacetData,
  type MessageRule,
  type PolicyRule,
  type PolicyRules,
  type Role,
} from '#policy/index.js';
import type { Random } from '../core/random.js';

const NAMES = ['', 'a.b', ':1.1073741823', 'n'.repeat(255), '\u{1f600}\ufeff\0'];
const TEXTS = [...NAMES, 'é'.repeat(250)];
const COUNTS = [0, 1, 0xffff_ffff, Number.MAX_SAFE_INTEGER];

type Samples = { readonly [N in ControlName]: FieldsIn<N> };

/** Values for the fields of every control message, at their edges. */
export function anySamples(random: Random): Samples {
  const bool = (): boolean => random.chance(0.5);
  const name = (): string => random.pick(NAMES);
  const text = (): string => random.pick(TEXTS);
  const u32 = (): number => random.pick([0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]);
  const i32 = (): number => random.pick([-0x8000_0000, -1, 0, 0x7fff_ffff]);
  const count = (): number => random.pick(COUNTS);
  const data = (): Uint8Array =>
    Uint8Array.from({ length: random.pick([0, 1, 16]) }, () => random.below(256));
  const maybe = <T>(make: () => T): T | undefined => (bool() ? make() : undefined);
  const some = <T>(make: () => T): T[] => Array.from({ length: random.below(4) }, make);

  /** Leaves out about half of the fields. */
  const partOf = <T extends object>(all: T): Partial<T> => {
    const part: Partial<T> = { ...all };
    for (const key of Object.keys(all)) if (bool()) Reflect.deleteProperty(part, key);
    return part;
  };
  const position = () => ({ file: text(), line: count(), column: count() });
  const who = (): number | '*' => (bool() ? '*' : u32());

  const messageRule = (): MessageRule => ({
    ...position(),
    kind: random.pick(['send', 'receive']),
    allow: bool(),
    messageType: random.pick([0, 1, 2, 3, 4]),
    requestedReply: bool(),
    eavesdrop: bool(),
    minFds: count(),
    maxFds: count(),
    log: bool(),
    ...partOf({
      role: text(),
      peerName: name(),
      peerPrefix: name(),
      path: text(),
      isPathSubtree: bool(),
      interface: name(),
      member: name(),
      errorName: name(),
      broadcast: bool(),
    }),
  });
  const rule = (): PolicyRule => {
    const base = { ...position(), allow: bool() };
    return random.pick<() => PolicyRule>([
      messageRule,
      () => ({ ...base, kind: 'own', ...partOf({ role: text(), name: name(), prefix: name() }) }),
      () => ({ ...base, kind: 'connect', ...partOf({ role: text(), user: who(), group: who() }) }),
    ])();
  };
  const rules = (): PolicyRule[] => some(rule);
  const role = (): Role => ({
    ...position(),
    name: text(),
    conditions: partOf({
      user: some(who),
      group: some(u32),
      executable: some(text),
      unit: some(text),
      userUnit: some(text),
      cgroup: some(text),
      label: some(text),
      listener: some(text),
    }),
    grants: some(() => ({
      ...position(),
      kind: random.pick(['see', 'talk', 'own', 'call', 'hear'] as const),
      name: name(),
      isSubtree: bool(),
      ...partOf({ path: text(), isPathSubtree: bool(), interface: name(), member: name() }),
    })),
    rules: rules(),
    isConfined: bool(),
    quotas: partOf({
      maxOutgoingBytes: count(),
      maxOutgoingUnixFds: count(),
      maxMatchRulesPerConnection: count(),
      maxNamesPerConnection: count(),
      maxRepliesPerConnection: count(),
      maxConnectionsPerUser: count(),
    }),
  });
  const policy = (): PolicyRules => ({
    default: rules(),
    byGroup: new Map(some(() => [u32(), rules()])),
    byUser: new Map(some(() => [u32(), rules()])),
    atConsole: rules(),
    notAtConsole: rules(),
    mandatory: rules(),
    roles: some(role),
  });
  const chains = (): FacetData['send'] =>
    Array.from({ length: 5 }, () =>
      bool() ? null : { rules: some(messageRule), ...partOf({ fallback: messageRule() }) },
    );
  const facet = (): FacetData | null => (bool() ? null : { send: chains(), receive: chains() });
  const credentials = () => ({
    uid: maybe(u32),
    gid: maybe(u32),
    pid: maybe(u32),
    groups: maybe(() => some(u32)),
    securityLabel: maybe(data),
    atConsole: bool(),
    origin: maybe(() =>
      partOf({
        executables: some(text),
        isProcessUnknown: bool(),
        cgroup: text(),
        label: text(),
        listener: text(),
      }),
    ),
  });
  const membership = () => ({ number: i32(), name: name() });
  const subscription = () => ({ number: i32(), rule: 'r'.repeat(random.pick([0, 1024])) });
  const change = (): DirectoryChange =>
    random.pick<() => DirectoryChange>([
      () => ({
        kind: 'connection',
        number: i32(),
        process: u32(),
        credentials: credentials(),
        takesDescriptors: bool(),
        isNative: bool(),
      }),
      () => ({ kind: 'gone', number: i32(), dropsRulesNaming: bool() }),
      () => ({ kind: 'joined', ...membership() }),
      () => ({ kind: 'left', ...membership() }),
      () => ({ kind: 'owner', name: name(), oldOwner: i32(), newOwner: i32() }),
      () => ({ kind: 'subscribed', ...subscription() }),
      () => ({ kind: 'unsubscribed', ...subscription() }),
      () => ({ kind: 'monitor', number: i32(), rules: some(name) }),
      () => ({ kind: 'policy', rules: policy(), limits: { ...DEFAULT_LIMITS } }),
    ])();
  const nullable = <T>(make: () => T): T | null => maybe(make) ?? null;
  const report = (): FieldsIn<'Reported'>['report'] => ({
    status: {
      process: count(),
      pid: count(),
      connections: count(),
      peers: count(),
      nodes: count(),
      handles: count(),
      channels: count(),
      messages: count(),
      facetsCompiled: count(),
      facetChecks: count(),
    },
    denials: some(() => ({
      program: nullable(text),
      uid: nullable(count),
      pid: nullable(count),
      name: name(),
      message: text(),
      why: text(),
      rule: nullable(text),
      count: count(),
      firstMs: count(),
      lastMs: count(),
    })),
    figures: some(() => ({ number: i32(), of: { ...NO_FIGURES, incomingBytes: count() } })),
  });

  return {
    Welcome: { number: u32() },
    ReleaseName: { isQueued: bool(), name: name() },
    BecomeMonitor: {},
    Disconnect: { reason: text() },
    Resolve: { name: name() },
    NameNode: { name: name() },
    Admit: { takesDescriptors: bool(), credentials: maybe(credentials) },
    Admitted: {},
    Refused: { reason: text() },
    Confined: { reason: text() },
    Introduce: { name: name(), process: u32(), facet: facet(), replyFacet: facet() },
    Mirror: {},
    Mirrored: {},
    Change: { change: change() },
    Report: {},
    Reported: { report: report() },
    Dealt: {},
    Sync: {},
    Client: { isUnix: bool(), nonce: maybe(data), listener: maybe(text) },
    Accepting: { isAccepting: bool() },
    Strangers: { areWelcome: bool() },
    Denied: { sender: name(), why: text(), message: text(), rule: maybe(text) },
    Resolved: { resolution: random.pick([0, 1, 2]), owner: i32() },
  };
}
