import { SYSTEM_CONFIG, loadConfiguration } from '#bridge/control/configuration.js';
import { userIdentity } from '#bridge/control/user-identity.js';
import { MessageType } from '#bridge/wire/types.js';
import {
  ClientPolicies,
  DRIVER_PARTY,
  Flow,
  canConnect,
  explainMessage,
  formatExplanation,
  formatVerdict,
  type BusConfig,
  type ClientIdentity,
  type Party,
} from '#policy/index.js';
import { UsageError } from './usage-error.js';

export interface ExplainOptions {
  readonly user?: string;
  readonly connect?: boolean;
  readonly own?: string;
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly toUser?: string;
  readonly type: 'method_call' | 'method_return' | 'error' | 'signal';
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly error?: string;
  readonly broadcast?: boolean;
  readonly all?: boolean;
}

const TYPES = {
  method_call: MessageType.MethodCall,
  method_return: MessageType.MethodReturn,
  error: MessageType.Error,
  signal: MessageType.Signal,
};

const DRIVER = 'org.freedesktop.DBus';

/** Prints the verdict and how it came about. The status is 0 for allowed, 1 for denied. */
export function explain(file: string = SYSTEM_CONFIG, options: ExplainOptions): number {
  refuseUnclear(options);
  const { config } = loadConfiguration(file);
  const { allowed, lines } = judge(config, options);
  process.stdout.write(`${lines.join('\n')}\n`);
  return allowed ? 0 : 1;
}

/** Each asks about a message. */
const ABOUT_MESSAGE = ['from', 'to', 'path', 'interface', 'member', 'error', 'broadcast'] as const;

/** @throws UsageError for no question, or more than one */
function refuseUnclear(options: ExplainOptions): void {
  const isMessage = ABOUT_MESSAGE.some((name) => options[name] !== undefined);
  const questions = [options.connect === true, options.own !== undefined, isMessage];
  if (questions.filter(Boolean).length === 1) return;
  throw new UsageError(
    'ask one thing: --connect, --own NAME, or about a message, such as --to NAME',
  );
}

interface Judgement {
  readonly allowed: boolean;
  readonly lines: readonly string[];
}

function judge(config: BusConfig, options: ExplainOptions): Judgement {
  const user = identityOf(options.user ?? process.getuid!());
  if (options.connect === true) {
    const owner = config.user === undefined ? process.getuid!() : identityOf(config.user).uid;
    const verdict = canConnect(config.policy, user, owner);
    return { allowed: verdict.allowed, lines: [formatVerdict(verdict)] };
  }
  const policies = new ClientPolicies(config.policy);
  if (options.own !== undefined) {
    const verdict = policies.for(user).canOwn(options.own);
    return { allowed: verdict.allowed, lines: [formatVerdict(verdict)] };
  }
  const sender: Party = { policy: policies.for(user), names: new Set(options.from) };
  const explanation = explainMessage(sender, receiverOf(policies, options), flowOf(options), {
    type: TYPES[options.type],
    path: options.path,
    interface: options.interface,
    member: options.member,
    errorName: options.error,
  });
  return { allowed: explanation.allowed, lines: formatExplanation(explanation, options.all) };
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
