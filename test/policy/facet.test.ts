import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ClientPolicies,
  DRIVER_PARTY,
  Flow,
  canConnect,
  compileFacet,
  describeRefusal,
  explainMessage,
  policyMessage,
} from '#policy/index.js';
import type { MessageFacts, Party, PolicyRules } from '#policy/index.js';
import { MAIN, readDefaultRules, readMemoryConfig } from './memory-io.js';
import { naiveAllows, naiveCanOwn } from './naive-evaluator.js';
import type { NaiveParty } from './naive-evaluator.js';
import {
  NAMES,
  policiesXml,
  randomCall,
  randomPolicies,
  randomReply,
  randomSignal,
} from './random-policies.js';

const SEED = Number(process.env['POLICY_SEED'] ?? Date.now() % 2 ** 31);
const OPEN_RECEIVE = '<allow receive_type="*" eavesdrop="true" receive_requested_reply="false"/>';

function party(rules: PolicyRules, ...names: string[]): Party {
  const policy = new ClientPolicies(rules).for({ uid: 1000, gids: [1000], atConsole: false });
  return { policy, names: new Set(names) };
}

function allowed(from: Party, to: Party, flow: Flow, facts: MessageFacts): boolean {
  const facet = compileFacet(from, to, flow);
  return facet === null || facet.check(policyMessage(facts));
}

const CALL: MessageFacts = { type: 1, path: '/p', interface: 'i.I', member: 'M' };
const BARE_CALL: MessageFacts = { type: 1, path: '/p', member: 'M' };
const SIGNAL: MessageFacts = { ...CALL, type: 4 };
const RETURN: MessageFacts = { type: 2 };
const ERROR: MessageFacts = { type: 3, errorName: 'e.E' };

describe('a sender with these rules, to a receiver that owns a.A, waits for b.B and is :1.2', () => {
  const { Directed, Broadcast, RequestedReply, UnrequestedReply } = Flow;
  const ALL = '<allow send_type="*"/>';
  const cases: readonly [string, Flow, MessageFacts, boolean][] = [
    ['', Directed, CALL, false],
    [ALL, Directed, CALL, true],
    ['<allow send_destination="a.A"/>', Directed, CALL, true],
    ['<allow send_destination="b.B"/>', Directed, CALL, true],
    ['<allow send_destination=":1.2"/>', Directed, CALL, true],
    ['<allow send_destination="c.C"/>', Directed, CALL, false],
    ['<allow send_destination_prefix="a"/>', Directed, CALL, true],
    ['<allow send_destination_prefix="a.A"/>', Directed, CALL, true],
    ['<allow send_destination_prefix="a.AA"/>', Directed, CALL, false],
    ['<allow send_destination_prefix=":1"/>', Directed, CALL, true],
    [`${ALL}<deny send_destination="b.B"/>`, Broadcast, SIGNAL, false],
    ['<allow send_interface="i.I"/>', Directed, CALL, true],
    ['<allow send_interface="i.I"/>', Directed, BARE_CALL, false],
    ['<allow send_interface="*"/>', Directed, BARE_CALL, true],
    [`${ALL}<deny send_interface="j.J"/>`, Directed, CALL, true],
    [`${ALL}<deny send_interface="j.J"/>`, Directed, BARE_CALL, false],
    [`${ALL}<deny send_interface="i.I" send_member="N"/>`, Directed, CALL, true],
    [`${ALL}<deny send_path="/p" send_member="M"/>`, Directed, CALL, false],
    [`${ALL}<deny send_path="/q"/>`, Directed, CALL, true],
    [`${ALL}<deny send_path="/q" send_requested_reply="true"/>`, RequestedReply, RETURN, false],
    [`${ALL}<deny send_error="e.E" send_requested_reply="true"/>`, RequestedReply, ERROR, false],
    [`${ALL}<deny send_error="e.F" send_requested_reply="true"/>`, RequestedReply, ERROR, true],
    [`${ALL}<deny send_error="e.F"/>`, Directed, CALL, false],
    [`${ALL}<deny send_type="signal"/>`, Directed, CALL, true],
    [`${ALL}<deny send_type="signal"/>`, Directed, SIGNAL, false],
    ['<allow send_type="signal" send_broadcast="true"/>', Broadcast, SIGNAL, true],
    ['<allow send_type="signal" send_broadcast="true"/>', Directed, SIGNAL, false],
    ['<allow send_type="signal" send_broadcast="false"/>', Broadcast, SIGNAL, false],
    [`${ALL}<deny send_type="method_call" min_fds="1"/>`, Directed, CALL, true],
    [`${ALL}<deny send_type="method_call" min_fds="1"/>`, Directed, { ...CALL, unixFds: 1 }, false],
    ['<allow send_type="method_call" max_fds="1"/>', Directed, { ...CALL, unixFds: 2 }, false],
    [ALL, RequestedReply, RETURN, true],
    [ALL, UnrequestedReply, RETURN, false],
    ['<allow send_type="*" send_requested_reply="false"/>', UnrequestedReply, ERROR, true],
    ['<allow send_type="*" eavesdrop="true"/>', UnrequestedReply, RETURN, true],
    [`${ALL}<deny send_type="method_return"/>`, RequestedReply, RETURN, true],
    [`${ALL}<deny send_type="error" send_requested_reply="true"/>`, RequestedReply, ERROR, false],
    [`<deny send_destination="a.A"/>${ALL}`, Directed, CALL, true],
    [`${ALL}<deny send_broadcast="true"/>`, Directed, CALL, false],
    [`${ALL}<deny send_requested_reply="false"/>`, Directed, CALL, false],
    [`${ALL}<deny send_type="*" min_fds="1"/>`, Directed, CALL, false],
  ];
  it.each(cases)('%s %s %o: %s', (xml, flow, facts, verdict) => {
    const sender = party(readDefaultRules(`${OPEN_RECEIVE}${xml}`), ':1.1');
    const receiver = party(readDefaultRules(OPEN_RECEIVE), ':1.2', 'a.A', 'b.B');
    expect(allowed(sender, receiver, flow, facts)).toBe(verdict);
  });
});

describe('a receiver with these rules, from a sender that owns a.A and is :1.1', () => {
  const { Directed, Eavesdropped, Broadcast } = Flow;
  const ALL = '<allow receive_type="*"/>';
  const cases: readonly [string, Flow, MessageFacts, boolean][] = [
    ['', Directed, CALL, false],
    ['<allow receive_sender="a.A"/>', Directed, CALL, true],
    ['<allow receive_sender="b.B"/>', Directed, CALL, false],
    [`${ALL}<deny receive_sender="a.A" receive_interface="i.I"/>`, Broadcast, SIGNAL, false],
    [ALL, Eavesdropped, CALL, false],
    [`${ALL}<allow eavesdrop="true"/>`, Eavesdropped, CALL, true],
    ['<allow receive_type="*" eavesdrop="true"/>', Eavesdropped, RETURN, true],
    [`${ALL}<deny receive_type="method_call" eavesdrop="true"/>`, Directed, CALL, true],
    [
      '<allow receive_type="*" eavesdrop="true"/><deny receive_type="signal" eavesdrop="true"/>',
      Eavesdropped,
      SIGNAL,
      false,
    ],
    [`${ALL}<deny receive_type="signal" min_fds="2"/>`, Directed, { ...SIGNAL, unixFds: 2 }, false],
  ];
  it.each(cases)('%s %s %o: %s', (xml, flow, facts, verdict) => {
    const open = readDefaultRules('<allow send_type="*" send_requested_reply="false"/>');
    const sender = party(open, ':1.1', 'a.A');
    const receiver = party(readDefaultRules(xml), ':1.2');
    expect(allowed(sender, receiver, flow, facts)).toBe(verdict);
  });
});

describe('precedence', () => {
  const { policy: rules } = readMemoryConfig(`<busconfig>
<policy context="mandatory"><deny own="m.M"/></policy>
<policy at_console="true"><allow own="c.C"/></policy>
<policy user="alice"><allow own="u.U"/><allow own="m.M"/><deny own="g.G"/></policy>
<policy group="staff"><allow own="g.G"/><allow own="c.C"/><allow own="s.S"/></policy>
<policy group="audio"><deny own="s.S"/></policy>
<policy context="default"><deny own="*"/><allow own="d.D"/></policy>
</busconfig>`).config;
  const can = (name: string, who: { uid: number; gids: number[]; atConsole?: boolean }): boolean =>
    new ClientPolicies(rules).for({ atConsole: false, ...who }).canOwn(name).allowed;
  const alice = { uid: 1000, gids: [50] };

  it.each([
    ['default is for everybody', can('d.D', { uid: 7, gids: [7] }), true],
    ['user after group', can('g.G', alice), false],
    ['group for its members', can('g.G', { uid: 7, gids: [7, 50] }), true],
    ['groups by ascending gid', can('s.S', { uid: 7, gids: [50, 29] }), true],
    ['user', can('u.U', alice), true],
    ['mandatory is last', can('m.M', alice), false],
    ['at the console', can('c.C', { uid: 7, gids: [7], atConsole: true }), true],
    ['not at the console', can('c.C', { uid: 7, gids: [7] }), false],
  ])('%s', (_name, verdict, expected) => {
    expect(verdict).toBe(expected);
  });

  it('holds for connecting, too: mandatory after default, whatever the file order', () => {
    const { config } = readMemoryConfig(`<busconfig>
<policy context="mandatory"><deny user="bob"/></policy>
<policy context="default"><allow user="*"/></policy>
</busconfig>`);
    const connect = (uid: number) =>
      canConnect(config.policy, { uid, gids: [uid], atConsole: false }, 0);
    expect(connect(1001)).toMatchObject({ allowed: false, rule: { line: 2 } });
    expect(connect(7)).toMatchObject({ allowed: true, rule: { line: 3 } });
  });

  it('without connect rules, only the owner of the bus may connect; not even root may', () => {
    const connect = (uid: number): boolean =>
      canConnect(readDefaultRules(''), { uid, gids: [uid], atConsole: false }, 1000).allowed;
    expect([0, 1000, 1001].map(connect)).toEqual([false, true, false]);
  });
});

describe('folding', () => {
  const open = readDefaultRules('<allow send_type="*"/><allow receive_type="*"/>');

  it('leaves nothing where every message may pass', () => {
    const one = party(open, ':1.1');
    expect(compileFacet(one, one, Flow.Directed)).toBeNull();
    expect(compileFacet(one, DRIVER_PARTY, Flow.Directed)).toBeNull();
    expect(compileFacet(DRIVER_PARTY, one, Flow.Broadcast)).toBeNull();
    expect(compileFacet(one, one, Flow.UnrequestedReply)).not.toBeNull();
  });

  it('leaves nothing of rules about other names', () => {
    const rules = readDefaultRules(
      '<allow send_type="*"/><allow receive_type="*"/><deny send_destination="x.X" send_member="M" send_path="/"/>',
    );
    expect(compileFacet(party(rules, ':1.1'), party(rules, ':1.2'), Flow.Directed)).toBeNull();
    expect(compileFacet(party(rules, ':1.1'), party(rules, 'x.X'), Flow.Directed)).not.toBeNull();
    const { policy } = party(rules);
    expect(['x.X', 'x.Y'].map((name) => policy!.mentionsName(name))).toEqual([true, false]);
  });

  it('works on a copy of the rules that was posted to another thread', () => {
    const copy = structuredClone(open);
    expect(compileFacet(party(copy, ':1.1'), party(copy, ':1.2'), Flow.Directed)).toBeNull();
  });

  it('treats a service that is being activated as the owner of its one name', () => {
    const rules = readDefaultRules('<allow send_destination="x.X" send_type="method_call"/>');
    const waiting: Party = { policy: undefined, names: new Set(['x.X']) };
    expect(allowed(party(rules, ':1.1'), waiting, Flow.Directed, CALL)).toBe(true);
    expect(allowed(party(rules, ':1.1'), waiting, Flow.Directed, SIGNAL)).toBe(false);
  });
});

describe('a refusal', () => {
  const rules = readDefaultRules(`
<allow send_type="*"/>
<deny send_interface="i.I" send_member="M"/>
<allow receive_type="signal"/>
<allow send_interface="i.I" send_member="Logged" log="true"/>`);
  const facet = compileFacet(party(rules, ':1.1'), party(rules, ':1.2'), Flow.Directed)!;

  it('names the rule, its file and its line', () => {
    expect(facet.check(policyMessage(CALL))).toBe(false);
    expect(facet.lastRule).toMatchObject({ file: MAIN, line: 3 });
    expect(describeRefusal(facet)).toBe(
      `the sender's policy does not let it send the message: <deny send_interface="i.I" send_member="M"/> at ${MAIN}:3`,
    );
  });

  it('says so if no rule allows it', () => {
    expect(facet.check(policyMessage({ ...CALL, member: 'N' }))).toBe(false);
    expect(facet.lastRule).toBeUndefined();
    expect(describeRefusal(facet)).toBe(
      "no rule in the receiver's policy lets it receive the message; to permit it, add an <allow receive_...>",
    );
  });

  it('an allow rule with log="true" lets the message pass and is named', () => {
    expect(facet.check(policyMessage({ ...SIGNAL, member: 'Logged' }))).toBe(true);
    expect(facet.lastRule).toMatchObject({ line: 5, log: true });
    expect(facet.check(policyMessage({ ...SIGNAL, member: 'N' }))).toBe(true);
    expect(facet.lastRule).toBeUndefined();
  });

  it('a type that does not occur in the flow is refused', () => {
    expect(facet.check(policyMessage(RETURN))).toBe(false);
    expect(facet.check(policyMessage({ type: 9 }))).toBe(false);
  });
});

describe(`facets and the manual agree (POLICY_SEED=${SEED})`, () => {
  const PARTIES: readonly NaiveParty[] = [
    { uid: 1, gids: [1, 2], names: [':1.1', 'com.a.A'] },
    { uid: 2, gids: [2], names: [':1.2', 'com.a.A.B', 'com.b.C'] },
    { uid: 3, gids: [3], names: [':1.3'] },
  ];
  const random = fc.record({
    policies: randomPolicies({ uids: [1, 2, 3], gids: [1, 2, 3] }),
    from: fc.nat(2),
    to: fc.nat(2),
    exchange: fc.oneof(
      fc.record({ flow: fc.constant(Flow.Directed), message: fc.oneof(randomCall, randomSignal) }),
      fc.record({ flow: fc.constant(Flow.Broadcast), message: randomSignal }),
      fc.record({ flow: fc.constant(Flow.RequestedReply), message: randomReply }),
      fc.record({ flow: fc.constant(Flow.UnrequestedReply), message: randomReply }),
      fc.record({
        flow: fc.constant(Flow.Eavesdropped),
        message: fc.oneof(randomCall, randomSignal, randomReply),
      }),
    ),
  });

  it('about messages and names', () => {
    const property = fc.property(random, ({ policies, from, to, exchange }) => {
      const xml = `<busconfig>${policiesXml(policies)}</busconfig>`;
      const clients = new ClientPolicies(readMemoryConfig(xml).config.policy);
      const [sender, receiver] = [PARTIES[from], PARTIES[to]].map((naive): Party => {
        const policy = clients.for({ ...naive, atConsole: false });
        return { policy, names: new Set(naive.names) };
      });
      const { flow, message } = exchange;
      const facts = { ...message, unixFds: message.fds };
      const expected = naiveAllows(policies, PARTIES[from], PARTIES[to], flow, message);
      expect(allowed(sender, receiver, flow, facts)).toBe(expected);
      expect(explainMessage(sender, receiver, flow, facts).allowed).toBe(expected);
      for (const name of NAMES) {
        const verdict = sender.policy!.canOwn(name).allowed;
        expect(verdict).toBe(naiveCanOwn(policies, PARTIES[from], name));
      }
    });
    fc.assert(property, { seed: SEED, numRuns: 3000 });
  });
});
