// What `bus1-bridge explain` proposes turns the verdict round, whatever the configuration says.
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  ClientPolicies,
  explainMessage,
  Flow,
  remediesFor,
  remedyForOwning,
  type PolicyRules,
} from '#policy/index.js';
import type { JudgedMessage } from '#policy/index.js';
import { readMemoryConfig } from './memory-io.js';
import {
  NAMES,
  policiesXml,
  randomCall,
  randomPolicies,
  randomReply,
  randomSignal,
} from './random-policies.js';

const SEED = Number(process.env['POLICY_SEED'] ?? Date.now() % 2 ** 31);
const SENDER = { uid: 1, gids: [1], atConsole: false };
const RECEIVER = { uid: 2, gids: [2], atConsole: false };

const flowed = fc.oneof(
  randomCall.map((message) => ({ message, flow: Flow.Directed })),
  randomSignal.map((message) => ({ message, flow: Flow.Directed })),
  randomSignal.map((message) => ({ message, flow: Flow.Broadcast })),
  randomReply.map((message) => ({ message, flow: Flow.RequestedReply })),
  randomReply.map((message) => ({ message, flow: Flow.UnrequestedReply })),
  randomCall.map((message) => ({ message, flow: Flow.Eavesdropped })),
);

const randomCase = fc.record({
  policies: randomPolicies({ uids: [1, 2], gids: [1, 2] }),
  flowed,
  senderNames: fc.subarray(NAMES),
  receiverNames: fc.subarray(NAMES),
});

const read = (xml: string): PolicyRules =>
  readMemoryConfig(`<busconfig>${xml}</busconfig>`).config.policy;

/** The rules of remedies, where nothing comes behind them. */
const last = (remedies: readonly string[]): string =>
  `<policy context="mandatory">${remedies.map((text) => /<.*?\/>/u.exec(text)![0]).join('')}</policy>`;

it(`turns round what may be sent and received (POLICY_SEED=${SEED})`, () => {
  let denied = 0;
  const property = fc.property(
    randomCase,
    ({ policies, flowed: { message, flow }, senderNames, receiverNames }) => {
      const judged = (rules: PolicyRules): JudgedMessage => {
        const clients = new ClientPolicies(rules);
        return {
          sender: { policy: clients.for(SENDER), names: new Set([':1.1', ...senderNames]) },
          receiver: { policy: clients.for(RECEIVER), names: new Set([':1.2', ...receiverNames]) },
          flow,
          facts: { ...message, unixFds: message.fds },
        };
      };
      const explain = ({ sender, receiver, facts }: JudgedMessage) =>
        explainMessage(sender, receiver, flow, facts);
      const xml = policiesXml(policies);
      const before = judged(read(xml));
      const explanation = explain(before);
      const remedies = remediesFor(explanation, before);
      const after = explain(judged(read(xml + last(remedies))));
      if (!explanation.allowed) denied++;
      expect([remedies, after.allowed]).toEqual([remedies, !explanation.allowed]);
    },
  );
  fc.assert(property, { seed: SEED, numRuns: 2000 });
  expect(denied).toBeGreaterThan(200);
});

it('turns round who may own a name', () => {
  const xml = '<policy context="default"><deny own="*"/><allow own="com.a.A"/></policy>';
  for (const name of NAMES) {
    const verdict = (text: string) => new ClientPolicies(read(text)).for(SENDER).canOwn(name);
    const remedy = remedyForOwning(name, verdict(xml));
    expect(verdict(xml + last([remedy])).allowed).toBe(!verdict(xml).allowed);
  }
});

it('says where the rule belongs', () => {
  const rules = read('<policy context="default"><deny send_destination="com.a.A"/></policy>');
  const policy = new ClientPolicies(rules).for(SENDER);
  const judged = {
    sender: { policy, names: new Set([':1.1']) },
    receiver: { policy, names: new Set([':1.2', 'com.a.A']) },
    flow: Flow.Directed,
    facts: { type: 1, path: '/a', interface: 'com.x.I', member: 'M' },
  };
  const explanation = explainMessage(judged.sender, judged.receiver, judged.flow, judged.facts);
  expect(remediesFor(explanation, judged)).toEqual([
    'to allow it: <allow send_destination="com.a.A" send_interface="com.x.I" send_member="M"/>, after /etc/bus.conf:1',
    'to allow it: <allow receive_interface="com.x.I" receive_member="M"/>, in <policy context="default">',
  ]);
});
