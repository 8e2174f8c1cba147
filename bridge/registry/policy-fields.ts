import type {
  BusLimits,
  ConnectRule,
  FacetData,
  MessageRule,
  OwnRule,
  PolicyRule,
  PolicyRules,
  Role,
  RoleConditions,
} from '#policy/index.js';
import { LIMIT_NAMES } from '#policy/limits.js';

import {
  bool,
  choice,
  integer,
  integers,
  list,
  nullable,
  record,
  text,
  times,
  variants,
  written,
  type FieldType,
} from './field-types.js';

/*
 * The policy of a bus, as the registry sends it to hosts, and what is left of it for two parties, as native peers get
 * it. Its texts come from files of the administrator: the bounds only keep them below the largest message.
 */

const TEXT = text(1 << 24);
const LIST_MAX = 1 << 20;
const TEXTS = list(TEXT, LIST_MAX);

const POSITION = { file: TEXT, line: integer, column: integer };
const RULE = { ...POSITION, allow: bool };

const EVERYBODY = '*';
const WHO = written(
  nullable(integer),
  (who: number | typeof EVERYBODY) => (who === EVERYBODY ? null : who),
  (who) => who ?? EVERYBODY,
);

const CONNECT_RULE: FieldType<Omit<ConnectRule, 'kind'>> = record(RULE, {
  role: TEXT,
  user: WHO,
  group: WHO,
});

const OWN_RULE: FieldType<Omit<OwnRule, 'kind'>> = record(RULE, {
  role: TEXT,
  name: TEXT,
  prefix: TEXT,
});

const SENT_OR_RECEIVED = record(
  {
    ...RULE,
    messageType: choice(0, 1, 2, 3, 4),
    requestedReply: bool,
    eavesdrop: bool,
    minFds: integer,
    maxFds: integer,
    log: bool,
  },
  {
    role: TEXT,
    peerName: TEXT,
    peerPrefix: TEXT,
    path: TEXT,
    isPathSubtree: bool,
    interface: TEXT,
    member: TEXT,
    errorName: TEXT,
    broadcast: bool,
  },
);

const MESSAGE_RULE: FieldType<MessageRule> = variants({
  send: SENT_OR_RECEIVED,
  receive: SENT_OR_RECEIVED,
});

const POLICY_RULE: FieldType<PolicyRule> = variants({
  connect: CONNECT_RULE,
  own: OWN_RULE,
  send: SENT_OR_RECEIVED,
  receive: SENT_OR_RECEIVED,
});
const POLICY_RULE_LIST = list(POLICY_RULE, LIST_MAX);

const CONDITIONS: FieldType<RoleConditions> = record(
  {},
  {
    user: list(WHO, LIST_MAX),
    group: list(integer, LIST_MAX),
    executable: TEXTS,
    unit: TEXTS,
    userUnit: TEXTS,
    cgroup: TEXTS,
    label: TEXTS,
    listener: TEXTS,
  },
);

const GRANT = record(
  {
    ...POSITION,
    kind: choice('see', 'talk', 'own', 'call', 'hear'),
    name: TEXT,
    isSubtree: bool,
  },
  { path: TEXT, isPathSubtree: bool, interface: TEXT, member: TEXT },
);

const QUOTAS = record(
  {},
  {
    maxOutgoingBytes: integer,
    maxOutgoingUnixFds: integer,
    maxMatchRulesPerConnection: integer,
    maxNamesPerConnection: integer,
    maxRepliesPerConnection: integer,
    maxConnectionsPerUser: integer,
  },
);

const ROLE: FieldType<Role> = record({
  ...POSITION,
  name: TEXT,
  conditions: CONDITIONS,
  grants: list(GRANT, LIST_MAX),
  rules: POLICY_RULE_LIST,
  isConfined: bool,
  quotas: QUOTAS,
});

const BY_ID = list(record({ id: integer, rules: POLICY_RULE_LIST }), LIST_MAX);

export const POLICY_RULES: FieldType<PolicyRules> = written(
  record({
    default: POLICY_RULE_LIST,
    byGroup: BY_ID,
    byUser: BY_ID,
    atConsole: POLICY_RULE_LIST,
    notAtConsole: POLICY_RULE_LIST,
    mandatory: POLICY_RULE_LIST,
    roles: list(ROLE, LIST_MAX),
  }),
  (rules: PolicyRules) => ({
    ...rules,
    byGroup: [...rules.byGroup].map(([id, each]) => ({ id, rules: each })),
    byUser: [...rules.byUser].map(([id, each]) => ({ id, rules: each })),
  }),
  (rules) => ({
    default: [...rules.default],
    byGroup: new Map(rules.byGroup.map(({ id, rules: each }) => [id, [...each]])),
    byUser: new Map(rules.byUser.map(({ id, rules: each }) => [id, [...each]])),
    atConsole: [...rules.atConsole],
    notAtConsole: [...rules.notAtConsole],
    mandatory: [...rules.mandatory],
    roles: [...rules.roles],
  }),
);

export const BUS_LIMITS: FieldType<BusLimits> = integers(...Object.values(LIMIT_NAMES));

const CHAIN = nullable(record({ rules: list(MESSAGE_RULE, LIST_MAX) }, { fallback: MESSAGE_RULE }));
/** one for each message type of D-Bus, and for 0 */
const CHAINS = times(5, CHAIN);

export const FACET: FieldType<FacetData> = record({ send: CHAINS, receive: CHAINS });
