import { describe, expect, it } from 'vitest';
import {
  ClientPolicies,
  DRIVER_PARTY,
  Flow,
  explainMessage,
  formatExplanation,
  formatVerdict,
} from '#policy/index.js';
import type { Party } from '#policy/index.js';
import { MAIN, readDefaultRules } from './memory-io.js';

const rules = readDefaultRules(`
<allow send_destination="b.B"/>
<deny send_requested_reply="false"/>
<allow send_destination="a.A"/>
<deny send_destination="a.A" send_interface="i.I" send_member="Stop"/>
<deny send_destination="b.B"/>
<allow receive_type="*"/>
<deny own="*"/>
<allow own="a.A"/>`);
const client = new ClientPolicies(rules).for({ uid: 1000, gids: [1000], atConsole: false });
const sender: Party = { policy: client, names: new Set([':1.1']) };
const receiver: Party = { policy: client, names: new Set([':1.2', 'a.A']) };
const STOP = { type: 1, path: '/', interface: 'i.I', member: 'Stop' };

describe('explain', () => {
  it('tells the verdict, the rule behind it, and about every other rule', () => {
    const explanation = explainMessage(sender, receiver, Flow.Directed, STOP);
    expect(explanation).toMatchObject({
      allowed: false,
      send: { allowed: false, decidedBy: { file: MAIN, line: 5 } },
      receive: { allowed: true, decidedBy: { line: 7 } },
    });
    expect(formatExplanation(explanation, true)).toEqual([
      'denied',
      `send: denied by <deny send_destination="a.A" send_interface="i.I" send_member="Stop"/> at ${MAIN}:5`,
      `  ${MAIN}:2: <allow send_destination="b.B"/>: discarded ` +
        `(overridden by <deny send_type="*"/> at ${MAIN}:3)`,
      `  ${MAIN}:3: <deny send_type="*"/>: overridden (a later rule matches, too)`,
      `  ${MAIN}:4: <allow send_destination="a.A"/>: overridden (a later rule matches, too)`,
      `  ${MAIN}:5: <deny send_destination="a.A" send_interface="i.I" send_member="Stop"/>: decides (last match)`,
      `  ${MAIN}:6: <deny send_destination="b.B"/>: does not match (the receiver does not have the name b.B)`,
      `receive: allowed by <allow receive_type="*"/> at ${MAIN}:7`,
      `  ${MAIN}:7: <allow receive_type="*"/>: decides (last match)`,
    ]);
  });

  it('gives the reason for each condition that does not hold', () => {
    const reasons = (facts: Parameters<typeof explainMessage>[3], flow: Flow = Flow.Directed) =>
      explainMessage(sender, receiver, flow, facts).send!.considered.find(
        ({ rule }) => rule.line === 5,
      )!.reason;
    expect(reasons({ ...STOP, interface: 'j.J' })).toBe('other interface');
    expect(reasons({ ...STOP, member: 'Start' })).toBe('other member');
    expect(reasons({ type: 2 }, Flow.RequestedReply)).toBe(
      'the rule denies unrequested replies only',
    );
  });

  it('knows where no policy applies', () => {
    const explanation = explainMessage(DRIVER_PARTY, receiver, Flow.Directed, STOP);
    expect(formatExplanation(explanation)).toEqual([
      'allowed',
      'send: allowed, no policy applies',
      `receive: allowed by <allow receive_type="*"/> at ${MAIN}:7`,
      `  ${MAIN}:7: <allow receive_type="*"/>: decides (last match)`,
    ]);
  });

  it('puts verdicts about names into a line', () => {
    expect(formatVerdict(client.canOwn('a.A'))).toBe(`allowed by <allow own="a.A"/> at ${MAIN}:9`);
    expect(formatVerdict(client.canOwn('b.B'))).toBe(`denied by <deny own="*"/> at ${MAIN}:8`);
    expect(formatVerdict({ allowed: false })).toBe('denied, no rule matches');
  });
});
