import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ClientPolicies,
  Flow,
  canConnect,
  compileFacet,
  explainMessage,
  formatExplanation,
  policyMessage,
} from '#policy/index.js';
import type { ClientIdentity, Party, PolicyRules } from '#policy/index.js';
import { readMemoryConfig } from './memory-io.js';
import {
  NAMES,
  policiesXml,
  randomCall,
  randomPolicies,
  randomReply,
  randomSignal,
} from './random-policies.js';
import type { RandomMessage, RandomPolicy } from './random-policies.js';
import { probeRealBus } from './real-bus.js';
import type { ProbeClient, ProbeMessage, ProbeReply, ProbeReport } from './real-bus.js';

/**
 * Random configurations, clients and messages, judged by dbus-daemon and by our facets. A triple is
 * one (configuration, sender and receiver, message) whose verdicts are compared.
 */
const TRIPLES = Number(process.env['POLICY_TRIPLES'] ?? 2000);
const SEED = Number(process.env['POLICY_SEED'] ?? Date.now() % 2 ** 31);
const MESSAGES_PER_BUS = 60;

/** Lets every client talk to the driver, whatever the other rules say, and lifts the limits. */
const SCAFFOLD = `
<limit name="max_replies_per_connection">50000</limit>
<policy context="mandatory">
  <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  <allow receive_sender="org.freedesktop.DBus"/>
</policy>`;

const EVERYBODY = '<policy context="default"><allow user="*"/></policy>';

const isRoot = process.getuid!() === 0;
/** Only root and the owner of the bus may add a match with eavesdrop='true' (dbus-daemon 1.14). */
const EAVESDROPPER = 3;
const SUBSCRIBERS = [0, 2, EAVESDROPPER];

/** Four clients; with root rights under four users, otherwise all under our own. */
const CLIENTS: readonly ProbeClient[] = [
  { uid: 1, gids: [1], names: ['com.a.A', 'com.b.C'], matches: ["type='signal'"] },
  { uid: 2, gids: [3, 2], names: ['com.a.A.B'], matches: [] },
  { uid: 3, gids: [3], names: ['com.a.A', 'com.a.AX'], matches: ["type='signal'"] },
  { uid: 0, gids: [4, 1], names: ['com.a.A.B'], matches: ["eavesdrop='true'"] },
].map((client) =>
  isRoot
    ? client
    : { ...client, uid: process.getuid!(), gids: [process.getgid!(), ...process.getgroups!()] },
);

interface SentMessage extends RandomMessage {
  readonly from: number;
  /** The number of the receiver, undefined for a broadcast. */
  readonly to?: number;
  readonly byName: boolean;
}

interface RandomCase {
  readonly policies: readonly RandomPolicy[];
  readonly messages: readonly SentMessage[];
  readonly reply: RandomMessage;
}

const client = fc.nat(CLIENTS.length - 1);
const directed = fc
  .tuple(fc.oneof(randomCall, randomCall, randomSignal, randomReply), client, client, fc.boolean())
  .map(([message, from, to, byName]): SentMessage => ({ ...message, from, to, byName }));
const broadcast = fc
  .tuple(randomSignal, client)
  .map(([message, from]): SentMessage => ({ ...message, from, byName: false }));

const randomCase: fc.Arbitrary<RandomCase> = fc.record({
  policies: randomPolicies({
    uids: [...new Set(CLIENTS.map(({ uid }) => uid))],
    gids: [...new Set(CLIENTS.flatMap(({ gids }) => gids))],
  }),
  messages: fc.array(fc.oneof(directed, directed, directed, broadcast), {
    minLength: MESSAGES_PER_BUS,
    maxLength: MESSAGES_PER_BUS,
  }),
  reply: randomReply,
});

/** RequestName's answers by our policy, and the parties with the names they own or wait for. */
function requestNames(rules: PolicyRules): { own: (number | string)[][]; parties: Party[] } {
  const policies = new ClientPolicies(rules);
  const owned = new Set<string>();
  const own: (number | string)[][] = [];
  const parties = CLIENTS.map(({ uid, gids, names }, index) => {
    const identity: ClientIdentity = { uid, gids, atConsole: false };
    const policy = policies.for(identity);
    const granted = names.filter((name) => policy.canOwn(name).allowed);
    own.push(
      names.map((name) => {
        if (!granted.includes(name)) return 'org.freedesktop.DBus.Error.AccessDenied';
        return owned.has(name) ? 2 : 1;
      }),
    );
    for (const name of granted) owned.add(name);
    return { policy, names: new Set([`:1.${index}`, ...granted]) };
  });
  return { own, parties };
}

/**
 * The name through which a message goes to its receiver: one it owns as the first, or its unique
 * name.
 */
function destinationOf(message: SentMessage, parties: readonly Party[]): string | undefined {
  const { to } = message;
  if (to === undefined) return undefined;
  const primary = NAMES.find((name) => parties.findIndex(({ names }) => names.has(name)) === to);
  return message.byName && primary !== undefined ? primary : `#${to}`;
}

function allows(sender: Party, receiver: Party, flow: Flow, message: RandomMessage): boolean {
  const facet = compileFacet(sender, receiver, flow);
  return facet === null || facet.check(policyMessage({ ...message, unixFds: message.fds }));
}

/** Which clients get a message, in ascending order; eavesdroppers only see what is delivered. */
function expectedReceivers(
  message: RandomMessage & { readonly from: number; readonly to?: number },
  parties: readonly Party[],
  directedFlow: Flow,
): number[] {
  const sender = parties[message.from];
  const { to } = message;
  if (to === undefined) {
    return SUBSCRIBERS.filter((i) => allows(sender, parties[i], Flow.Broadcast, message));
  }
  if (!allows(sender, parties[to], directedFlow, message)) return [];
  const overheard =
    to !== EAVESDROPPER && allows(sender, parties[EAVESDROPPER], Flow.Eavesdropped, message);
  return overheard ? [to, EAVESDROPPER] : [to];
}

function probeMessage(message: SentMessage, parties: readonly Party[]): ProbeMessage {
  const { to: _to, byName: _byName, ...fields } = message;
  const destination = destinationOf(message, parties);
  const isReply = message.type === 2 || message.type === 3;
  return { ...fields, ...(destination && { destination }), ...(isReply && { replySerial: 77 }) };
}

function repliesTo(calls: readonly SentMessage[], reply: RandomMessage): ProbeReply[] {
  return calls.flatMap((call, index) =>
    call.type === 1 && call.to !== undefined ? [{ ...reply, from: call.to, answers: index }] : [],
  );
}

/** What both sides say about a message on which they differ, and why we say it. */
function disagreement(
  parties: readonly Party[],
  flow: Flow,
  message: SentMessage,
  verdicts: { readonly bus: unknown; readonly ours: unknown },
): string {
  const facts = { ...message, unixFds: message.fds };
  const to = message.to === undefined ? SUBSCRIBERS : [message.to, EAVESDROPPER];
  const reasons = to.flatMap((receiver) => {
    const overheard = message.to !== undefined && receiver !== message.to;
    const as = overheard ? Flow.Eavesdropped : flow;
    const explanation = explainMessage(parties[message.from], parties[receiver], as, facts);
    return [`to client ${receiver}, ${as}:`, ...formatExplanation(explanation)];
  });
  return [JSON.stringify({ message, ...verdicts }), ...reasons].join('\n');
}

interface Comparison {
  triples: number;
  readonly disagreements: string[];
}

function flowOf(message: SentMessage): Flow {
  if (message.to === undefined) return Flow.Broadcast;
  return message.type === 2 || message.type === 3 ? Flow.UnrequestedReply : Flow.Directed;
}

function compareMessages(
  random: RandomCase,
  parties: readonly Party[],
  report: ProbeReport,
  comparison: Comparison,
): void {
  for (const [index, message] of random.messages.entries()) {
    const flow = flowOf(message);
    const to = expectedReceivers(message, parties, flow);
    const refused = message.to !== undefined && to.length === 0;
    const ours = { to, error: refused ? 'org.freedesktop.DBus.Error.AccessDenied' : null };
    const bus = report.messages[index];
    if (!isDeepStrictEqual(bus, ours)) {
      comparison.disagreements.push(disagreement(parties, flow, message, { bus, ours }));
    }
    comparison.triples += message.to === undefined ? SUBSCRIBERS.length : 1;
  }
}

function compareReplies(
  random: RandomCase,
  parties: readonly Party[],
  report: ProbeReport,
  comparison: Comparison,
): void {
  const flow = Flow.RequestedReply;
  for (const [index, reply] of repliesTo(random.messages, random.reply).entries()) {
    const bus = report.replies[index]?.to;
    if (bus === undefined) continue;
    const sent = { ...reply, to: random.messages[reply.answers].from, byName: false };
    const ours = expectedReceivers(sent, parties, flow);
    if (!isDeepStrictEqual(bus, ours)) {
      comparison.disagreements.push(disagreement(parties, flow, sent, { bus, ours }));
    }
    comparison.triples++;
  }
}

async function compareOnce(random: RandomCase): Promise<Comparison> {
  const xml = EVERYBODY + policiesXml(random.policies) + SCAFFOLD;
  const { config } = readMemoryConfig(`<busconfig>${xml}</busconfig>`);
  const { own, parties } = requestNames(config.policy);
  const report = await probeRealBus(xml, {
    clients: CLIENTS,
    messages: random.messages.map((message) => probeMessage(message, parties)),
    replies: repliesTo(random.messages, random.reply),
  });
  const comparison: Comparison = { triples: 0, disagreements: [] };
  if (!isDeepStrictEqual(report.own, own)) {
    comparison.disagreements.push(JSON.stringify({ own: report.own, ours: own }));
  }
  compareMessages(random, parties, report, comparison);
  compareReplies(random, parties, report, comparison);
  if (comparison.disagreements.length > 0) comparison.disagreements.unshift(xml);
  return comparison;
}

describe('policy against dbus-daemon', () => {
  it(`gives the same verdict for ${TRIPLES} random triples (POLICY_SEED=${SEED})`, async () => {
    let triples = 0;
    for (let round = 0; triples < TRIPLES; round++) {
      const [random] = fc.sample(randomCase, { seed: SEED + round, numRuns: 1 });
      const comparison = await compareOnce(random);
      expect(comparison.disagreements.join('\n\n')).toBe('');
      triples += comparison.triples;
    }
  }, 600_000);

  const connectRules: readonly [string, string][] = [
    ['without rules', ''],
    ['everybody', '<policy context="default"><allow user="*"/></policy>'],
    [
      'the mandatory context last',
      '<policy context="mandatory"><deny user="2"/></policy><policy context="default"><allow user="*"/></policy>',
    ],
    ['by group', '<policy context="default"><deny user="*"/><allow group="3"/></policy>'],
    ['nobody', '<policy context="default"><deny group="*"/></policy>'],
  ];
  it.each(connectRules)('lets the same users connect: %s', async (_name, xml) => {
    // dbus-daemon takes the groups of a connecting user from the user database, not from the socket.
    const clients = [0, 1, 2, 3].map((uid) => ({ uid, gids: [uid], names: [], matches: [] }));
    const ours = isRoot ? clients : [{ ...CLIENTS[0], names: [] }];
    const { config } = readMemoryConfig(`<busconfig>${xml}</busconfig>`);
    const report = await probeRealBus(xml + SCAFFOLD, { clients: ours, messages: [], replies: [] });
    const owner = process.getuid!();
    const verdicts = ours.map(({ uid, gids }) =>
      canConnect(config.policy, { uid, gids, atConsole: false }, owner),
    );
    expect(report.connected).toEqual(verdicts.map(({ allowed }) => allowed));
  });
});
