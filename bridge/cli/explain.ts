import { SYSTEM_CONFIG, loadConfiguration } from '#bridge/control/configuration.js';
import { userIdentity } from '#bridge/control/user-identity.js';
import { parseBusName, parseWellKnownName } from '#bridge/wire/names.js';
import { MessageType } from '#bridge/wire/types.js';
import {
  ClientPolicies,
  DRIVER_PARTY,
  Flow,
  canConnect,
  describeRule,
  explainMessage,
  formatExplanation,
  formatVerdict,
  mayOwnConfined,
  remediesFor,
  remedyForOwning,
  ruleLocation,
  type BusConfig,
  type ClientIdentity,
  type ClientPolicy,
  type Party,
  type PolicyRule,
  type Verdict,
} from '#policy/index.js';
import { UsageError } from './usage-error.js';

export interface ExplainOptions {
  readonly bus?: string;
  readonly user?: string;
  readonly connect?: boolean;
  readonly own?: string;
  readonly from?: readonly string[];
  readonly role?: readonly string[];
  readonly to?: readonly string[];
  readonly toUser?: string;
  readonly type: 'method_call' | 'method_return' | 'error' | 'signal';
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly error?: string;
  readonly broadcast?: boolean;
  readonly all?: boolean;
  readonly json?: boolean;
}

const TYPES = {
  method_call: MessageType.MethodCall,
  method_return: MessageType.MethodReturn,
  error: MessageType.Error,
  signal: MessageType.Signal,
};

const DRIVER = 'org.freedesktop.DBus';

/** Prints the verdict and how it came about. The status is 0 for allowed, 1 for denied. */
export async function explain(file: string | undefined, options: ExplainOptions): Promise<number> {
  const { bus } = options;
  if (bus === undefined) return explainConfiguration(file, options);
  if (file !== undefined) throw new UsageError('give either a file or --bus, not both');
  const { explainLive } = await import('./explain-live.js');
  const verdict = await explainLive(bus, options, flowOf(options), TYPES[options.type]);
  return print(verdict, verdict, options);
}

function explainConfiguration(file: string = SYSTEM_CONFIG, options: ExplainOptions): number {
  const { config } = loadConfiguration(file);
  const named = rolesNamed(config, options);
  refuseUnclear(named.options);
  const { allowed, rules, lines, remedies } = judge(config, named.options, named.roles);
  const object = { allowed, rules: rules.map(ruleObject), lines, remedies };
  return print({ allowed, lines: [...lines, ...remedies] }, object, options);
}

function print(
  { allowed, lines }: { allowed: boolean; lines: readonly string[] },
  object: unknown,
  { json }: ExplainOptions,
): number {
  process.stdout.write(`${json === true ? JSON.stringify(object) : lines.join('\n')}\n`);
  return allowed ? 0 : 1;
}

/** Separates roles from bus names in --from: a role counts there only if its name is not a bus name. */
function rolesNamed(
  { policy }: BusConfig,
  options: ExplainOptions,
): { readonly roles: readonly string[]; readonly options: ExplainOptions } {
  const given = [...(options.from ?? []), ...(options.role ?? [])];
  const isRole = (name: string): boolean => policy.roles.some((role) => role.name === name);
  const roles = given.filter((name) => isRole(name) && parseBusName(name) === undefined);
  const unknown = options.role?.find((name) => !isRole(name));
  if (unknown !== undefined) throw new UsageError(`there is no role "${unknown}"`);
  const from = options.from?.filter((name) => !roles.includes(name));
  return {
    roles: [...roles, ...(options.role ?? [])],
    options: { ...options, ...(from !== undefined && { from }) },
  };
}

/** Options that ask about a message. */
const ABOUT_MESSAGE = ['from', 'to', 'path', 'interface', 'member', 'error', 'broadcast'] as const;

/** @throws UsageError if the question is missing, ambiguous, or about an impossible name */
function refuseUnclear(options: ExplainOptions): void {
  const { own, from = [], to = [] } = options;
  if (own !== undefined && parseWellKnownName(own) === undefined) {
    throw new UsageError(
      `"${own}" is not a name that a service can own, such as org.example.Clock`,
    );
  }
  const wrong = [...from, ...to].find((name) => parseBusName(name) === undefined);
  if (wrong !== undefined) throw new UsageError(`"${wrong}" is not a bus name`);
  const isMessage = ABOUT_MESSAGE.some((name) => options[name] !== undefined);
  const questions = [options.connect === true, options.own !== undefined, isMessage];
  if (questions.filter(Boolean).length === 1) return;
  throw new UsageError(
    'give exactly one of --connect, --own NAME, and options of a message, such as --to NAME',
  );
}

interface Judgement {
  readonly allowed: boolean;
  /** the deciding rules: one, or that of the sender and that of the receiver */
  readonly rules: readonly (PolicyRule | undefined)[];
  readonly lines: readonly string[];
  /** changes that would reverse the verdict */
  readonly remedies: readonly string[];
}

function ruleObject(rule: PolicyRule | undefined): unknown {
  return rule === undefined ? null : { rule: describeRule(rule), at: ruleLocation(rule) };
}

function judge(config: BusConfig, options: ExplainOptions, roles: readonly string[]): Judgement {
  const user = { ...identityOf(options.user ?? process.getuid!()), roles };
  if (options.connect === true) {
    const owner = config.user === undefined ? process.getuid!() : identityOf(config.user).uid;
    return judgementOf(canConnect(config.policy, user, owner));
  }
  const policies = new ClientPolicies(config.policy);
  if (options.own !== undefined) {
    return judgeOwning(policies.for(user), options.own);
  }
  const sender: Party = { policy: policies.for(user), names: new Set(options.from) };
  const receiver = receiverOf(policies, options);
  const flow = flowOf(options);
  const facts = {
    type: TYPES[options.type],
    path: options.path,
    interface: options.interface,
    member: options.member,
    errorName: options.error,
  };
  const explanation = explainMessage(sender, receiver, flow, facts);
  const { allowed, send, receive } = explanation;
  const rules = [send, receive].flatMap((side) => (side === undefined ? [] : [side.decidedBy]));
  const lines = formatExplanation(explanation, options.all);
  const remedies = remediesFor(explanation, { sender, receiver, flow, facts });
  return { allowed, rules, lines, remedies };
}

function judgeOwning(policy: ClientPolicy, name: string): Judgement {
  const verdict = policy.canOwn(name);
  const { confinement } = policy;
  const judgement = { ...judgementOf(verdict), remedies: [remedyForOwning(name, verdict)] };
  if (confinement === undefined || mayOwnConfined(confinement, name)) return judgement;
  const { by } = confinement;
  const at = `role "${by.name}" at ${by.file}:${by.line}`;
  const lines = [`denied, ${at} confines the client and grants no such name`];
  return {
    ...judgement,
    allowed: false,
    lines,
    remedies: [`to allow it: own: [${name}] in ${at}`],
  };
}

function judgementOf(verdict: Verdict<PolicyRule>): Judgement {
  const { allowed, rule } = verdict;
  return { allowed, rules: [rule], lines: [formatVerdict(verdict)], remedies: [] };
}

function receiverOf(policies: ClientPolicies, { to, toUser }: ExplainOptions): Party {
  if (to?.includes(DRIVER)) return DRIVER_PARTY;
  return { policy: policies.for(identityOf(toUser ?? 0)), names: new Set(to) };
}

function flowOf({ type, broadcast }: ExplainOptions): Flow {
  if (broadcast === true) return Flow.Broadcast;
  return type === 'method_call' || type === 'signal' ? Flow.Directed : Flow.RequestedReply;
}

function identityOf(user: string | number): ClientIdentity {
  const identity = userIdentity(user);
  if (identity === undefined) throw new UsageError(`there is no user "${user}"`);
  return identity;
}
