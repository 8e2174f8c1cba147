import { typedBody } from '#bridge/wire/typed-body.js';
import { parseBusName } from '#bridge/wire/names.js';
import type { Flow } from '#policy/index.js';
import { askBus } from './ask-bus.js';
import type { ExplainOptions } from './explain.js';
import { UsageError } from './usage-error.js';

/** Options about a configuration, which do not apply to connections of a running bus. */
const OF_FILES = ['user', 'connect', 'own', 'toUser'] as const;

export interface LiveVerdict {
  readonly allowed: boolean;
  readonly lines: readonly string[];
}

/** Asks a running bus to judge a message from one of its connections to another. @throws Error, UsageError */
export async function explainLive(
  address: string,
  options: ExplainOptions,
  flow: Flow,
  type: number,
): Promise<LiveVerdict> {
  const [from, to] = parties(options);
  const { path = '', interface: iface = '', member = '', error = '', all = false } = options;
  const body = [from, to, flow, type, path, iface, member, error, all];
  const call = { member: 'Explain', signature: 'sssyssssb', body };
  const reply = await askBus(address, call, 'explain their policy');
  const [allowed, lines] = typedBody(reply, 'bas');
  return { allowed, lines };
}

function parties(options: ExplainOptions): [from: string, to: string] {
  const wrong = OF_FILES.find((name) => options[name] !== undefined);
  if (wrong !== undefined) {
    throw new UsageError(
      'with --bus, --user, --connect, --own and --to-user do not apply: --from and --to name connections',
    );
  }
  const [from, ...fromOthers] = options.from ?? [];
  const [to, ...toOthers] = options.to ?? [];
  if (from === undefined || to === undefined || fromOthers.length + toOthers.length > 0) {
    throw new UsageError('with --bus, give one --from and one --to: a name, or a process ID');
  }
  const odd = [from, to].find((who) => !/^\d+$/u.test(who) && parseBusName(who) === undefined);
  if (odd !== undefined) throw new UsageError(`"${odd}" is neither a bus name nor a process ID`);
  return [from, to];
}
