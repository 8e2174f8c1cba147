import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MatchIndex } from '#bridge/registry/match-index.js';
import type { MatchRule } from '#bridge/registry/match-rule.js';
import { MatchRuleFault, asMonitorRule, parseMatchRule } from '#bridge/registry/match-rule.js';
import { describeWith, needs } from '../support/software.js';
import type { MessageModel, RuleModel } from './match-model.js';
import { identityOf, matches, messageModels, ruleModels, textOf } from './match-model.js';
import { releaseSubject, subjectOf } from './match-subject.js';
import { ReferenceBus } from './reference-matches.js';

interface Subscriber {
  readonly name: string;
}

const A: Subscriber = { name: 'A' };
const B: Subscriber = { name: 'B' };
const C: Subscriber = { name: 'C' };
const SUBSCRIBERS = [A, B, C];

function parsed(text: string): MatchRule {
  const rule = parseMatchRule(text);
  if (rule instanceof MatchRuleFault) throw new Error(rule.message);
  return rule;
}

function collected(
  index: MatchIndex<Subscriber>,
  message: MessageModel,
  addressed?: Subscriber,
): string[] {
  const subject = subjectOf(message, index);
  const into: Subscriber[] = [];
  index.collect(subject, into, addressed);
  releaseSubject(subject, index);
  return into.map(({ name }) => name);
}

const SIGNAL: MessageModel = {
  type: 'signal',
  path: '/a/b',
  interface: 'i.a',
  member: 'M',
  senderNames: [':1.1', 'com.x'],
  destinationNames: [],
  body: [
    ['s', 'com.x.y'],
    ['u', 7],
    ['o', '/aa/bb'],
    ['s', 'third'],
  ],
  littleEndian: true,
};

const TO_COM_Y: MessageModel = {
  ...SIGNAL,
  type: 'method_call',
  destination: 'com.y',
  destinationNames: [':1.2', 'com.y', 'com.z'],
};

/** Rule, message, and whether the rule's owner sees the message. */
const CASES: [rule: string, message: MessageModel, sees: boolean][] = [
  ['', SIGNAL, true],
  ['type=signal', SIGNAL, true],
  ['type=error', SIGNAL, false],
  ['sender=:1.1', SIGNAL, true],
  ['sender=com.x', SIGNAL, true],
  ['sender=com.y', SIGNAL, false],
  ['interface=i.a,member=M,path=/a/b', SIGNAL, true],
  ['interface=i.a,member=M,path=/a', SIGNAL, false],
  ['path_namespace=/', SIGNAL, true],
  ['path_namespace=/a', SIGNAL, true],
  ['path_namespace=/a/b', SIGNAL, true],
  ['path_namespace=/a/b/c', SIGNAL, false],
  ['path_namespace=/a', { ...SIGNAL, path: '/ab' }, false],
  ['arg0=com.x.y', SIGNAL, true],
  ['arg0=com.x', SIGNAL, false],
  ['arg1=7', SIGNAL, false],
  ['arg2=/aa/bb', SIGNAL, false],
  ['arg2path=/aa/bb', SIGNAL, true],
  ['arg3=third', SIGNAL, true],
  ['arg4=third', SIGNAL, false],
  ['arg0=com.x.y,arg3=third', SIGNAL, true],
  ['arg0=com.x.y,arg3=fourth', SIGNAL, false],
  ['arg0namespace=com', SIGNAL, true],
  ['arg0namespace=com.x.y', SIGNAL, true],
  ['arg0namespace=co', SIGNAL, false],
  ['arg0namespace=com.x.y.z', SIGNAL, false],
  ['arg2path=/aa/', SIGNAL, true],
  ['arg2path=/', SIGNAL, true],
  ['arg2path=/aa', SIGNAL, false],
  ['arg2path=/aa/bb/', SIGNAL, false],
  ["arg0path='/aa/bb/'", { ...SIGNAL, body: [['s', '/']] }, true],
  ["arg0path='/aa/bb/'", { ...SIGNAL, body: [['s', '/aa/']] }, true],
  ["arg0path='/aa/bb/'", { ...SIGNAL, body: [['s', '/aa/bb/cc']] }, true],
  ["arg0path='/aa/bb/'", { ...SIGNAL, body: [['s', '/aa/b']] }, false],
  ["arg0path='/aa/bb/'", { ...SIGNAL, body: [['s', '/aa/bb']] }, false],
  ["arg0path='/aa/bb/'", { ...SIGNAL, body: [['s', '']] }, false],
  ["arg0path=''", { ...SIGNAL, body: [['s', '']] }, true],
  ["arg0path=''", { ...SIGNAL, body: [['s', '/']] }, false],
  ['destination=com.y', SIGNAL, false],
  ['', TO_COM_Y, false],
  ['destination=com.y', TO_COM_Y, false],
  ['eavesdrop=true', TO_COM_Y, true],
  ['eavesdrop=true', SIGNAL, true],
  ['eavesdrop=true,destination=com.y', TO_COM_Y, true],
  ['eavesdrop=true,destination=com.z', TO_COM_Y, true],
  ['eavesdrop=true,destination=com.x', TO_COM_Y, false],
  ['eavesdrop=true,destination=com.y', SIGNAL, false],
];

describe('a match index', () => {
  test.each(CASES)('%j', (rule, message, sees) => {
    const index = new MatchIndex<Subscriber>();
    index.add(parsed(rule), A);
    expect(collected(index, message)).toEqual(sees ? ['A'] : []);
    expect(collected(index, { ...message, littleEndian: false })).toEqual(sees ? ['A'] : []);
  });

  test('names each subscriber once, however many of its rules match', () => {
    const index = new MatchIndex<Subscriber>();
    for (const rule of ['', 'type=signal', 'member=M', 'sender=:1.1', 'sender=com.x']) {
      index.add(parsed(rule), A);
      index.add(parsed(rule), B);
    }
    expect(collected(index, SIGNAL).toSorted()).toEqual(['A', 'B']);
  });

  test('leaves the addressed peer out: it gets the message anyway', () => {
    const index = new MatchIndex<Subscriber>();
    for (const subscriber of SUBSCRIBERS) index.add(parsed('eavesdrop=true'), subscriber);
    expect(collected(index, TO_COM_Y, B)).toEqual(['A', 'C']);
  });

  test('knows without looking that nobody sees what is addressed to others', () => {
    const index = new MatchIndex<Subscriber>();
    index.add(parsed(''), A);
    expect(index.hasEavesdroppers).toBe(false);
    expect(collected(index, TO_COM_Y)).toEqual([]);
    expect(index.probes).toBe(0);
    index.add(asMonitorRule(parsed('')), B);
    expect(index.hasEavesdroppers).toBe(true);
    expect(collected(index, TO_COM_Y)).toEqual(['B']);
  });

  test('counts equal rules and wants as many removals', () => {
    const index = new MatchIndex<Subscriber>();
    index.add(parsed('type=signal,member=M'), A);
    index.add(parsed("member='M',type='signal'"), A);
    index.add(parsed('member=M'), B);
    expect(index.ruleCount).toBe(3);
    expect(index.distinctRuleCount).toBe(2);
    expect(index.rulesOf(A)).toEqual(["type='signal',member='M'", "type='signal',member='M'"]);

    expect(index.remove(parsed('member=M,type=signal'), A)).toBe(true);
    expect(collected(index, SIGNAL).toSorted()).toEqual(['A', 'B']);
    expect(index.remove(parsed('member=M,type=signal'), A)).toBe(true);
    expect(index.remove(parsed('member=M,type=signal'), A)).toBe(false);
    expect(index.remove(parsed('member=M'), A)).toBe(false);
    expect(collected(index, SIGNAL)).toEqual(['B']);
  });

  test('drops rules that name a peer which has gone, whoever they belong to', () => {
    const index = new MatchIndex<Subscriber>();
    index.add(parsed('sender=:1.7'), A);
    index.add(parsed('sender=:1.7'), A);
    index.add(parsed('sender=:1.7'), B);
    index.add(parsed('eavesdrop=true,sender=:1.7,destination=:1.7'), C);
    index.add(parsed('sender=:1.8'), A);
    const removed = index.removeNaming(':1.7');
    const counts = removed.map(({ subscriber, count }) => `${subscriber.name} ${count}`);
    expect(counts.toSorted()).toEqual(['A 2', 'B 1', 'C 1']);
    expect(index.ruleCount).toBe(1);
    expect(index.rulesOf(A)).toEqual(["sender=':1.8'"]);
    expect(index.removeNaming(':1.7')).toEqual([]);
  });

  test('keeps nothing when the last subscriber has gone', () => {
    const index = new MatchIndex<Subscriber>();
    for (const [rule] of CASES) for (const one of SUBSCRIBERS) index.add(parsed(rule), one);
    const distinct = new Set(CASES.map(([rule]) => parsed(rule).text)).size;
    expect(index.distinctRuleCount).toBe(distinct);
    for (const one of SUBSCRIBERS) expect(index.removeAll(one)).toBe(CASES.length);
    expect(index.removeAll(A)).toBe(0);
    expect([index.ruleCount, index.distinctRuleCount, index.subscriberCount]).toEqual([0, 0, 0]);
    expect([index.shapeCount, index.interner.size]).toEqual([0, 0]);
  });
});

describe('100,000 rules of others', () => {
  const FOREIGN: [title: string, rule: (n: number) => string][] = [
    ['by arg0', (n) => `type=signal,arg0=foreign${n}`],
    ['by arg3', (n) => `interface=i.a,arg3=foreign${n}`],
    ['by arg0 and arg3', (n) => `arg0=com.x.y,arg3=foreign${n}`],
    ['by path', (n) => `interface=i.a,member=M,path=/foreign/n${n}`],
    ['by path_namespace', (n) => `interface=i.a,path_namespace=/a/n${n}`],
    ['by sender', (n) => `interface=i.a,sender=:9.${n}`],
    ['by sender and path_namespace', (n) => `sender=com.x,path_namespace=/a/n${n}`],
    ['by arg0namespace', (n) => `arg0namespace=com.x.n${n}`],
    ['by arg2path', (n) => `member=M,arg2path=/aa/n${n}/`],
    ['by interface', (n) => `interface=foreign.n${n}`],
  ];

  test.each(FOREIGN)('%s: no more work than for one', (_, rule) => {
    const index = new MatchIndex<Subscriber>();
    index.add(parsed('type=signal,interface=i.a,member=M'), A);
    index.add(parsed(rule(0)), B);
    const work = (): number[] => {
      const before = [index.probes, index.comparisons];
      expect(collected(index, SIGNAL)).toEqual(['A']);
      return [index.probes - before[0], index.comparisons - before[1]];
    };
    const workBefore = work();
    for (let n = 1; n < 100_000; n++) index.add(parsed(rule(n)), B);
    expect(index.distinctRuleCount).toBe(100_001);
    expect(work()).toEqual(workBefore);
  });

  test('each with another set of arguments: bounded by the number of shapes', () => {
    const index = new MatchIndex<Subscriber>({ wideShapesMax: 8 });
    const letters = Array.from({ length: 12 }, (_, bit) => bit);
    for (let set = 1; set < 2 ** 12; set++) {
      const keys = letters.filter((bit) => (set & (1 << bit)) !== 0).map((bit) => `arg${bit}=x`);
      index.add(parsed(keys.join(',')), A);
    }
    expect(index.distinctRuleCount).toBe(2 ** 12 - 1);
    // 8 shapes as they come, and at most one for each argument that can be the first.
    expect(index.shapeCount).toBeLessThanOrEqual(8 + 12);
    const body: [string, unknown][] = letters.map(() => ['s', 'x']);
    expect(collected(index, { ...SIGNAL, body })).toEqual(['A']);
    expect(collected(index, { ...SIGNAL, body: [['s', 'y'], ...body] })).toEqual(['A']);
    expect(collected(index, { ...SIGNAL, body: [['s', 'y']] })).toEqual([]);
  });
});

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

type Step =
  | { readonly kind: 'add' | 'remove'; readonly rule: RuleModel; readonly subscriber: Subscriber }
  | { readonly kind: 'leave'; readonly subscriber: Subscriber }
  | { readonly kind: 'gone'; readonly name: string }
  | { readonly kind: 'message'; readonly message: MessageModel };

const subscribers = fc.constantFrom(...SUBSCRIBERS);
const step = <Kind extends string>(kind: Kind): fc.Arbitrary<Kind> => fc.constant(kind);
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: step('add'), rule: ruleModels, subscriber: subscribers }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: step('remove'), rule: ruleModels, subscriber: subscribers }),
  },
  { weight: 1, arbitrary: fc.record({ kind: step('leave'), subscriber: subscribers }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: step('gone'), name: fc.constantFrom(':1.1', ':1.2') }),
  },
  { weight: 8, arbitrary: fc.record({ kind: step('message'), message: messageModels }) },
);

/** Every subscription in a list, looked through one by one. */
class NaiveIndex {
  #subscriptions: { rule: RuleModel; subscriber: Subscriber }[] = [];

  get size(): number {
    return this.#subscriptions.length;
  }

  add(rule: RuleModel, subscriber: Subscriber): void {
    this.#subscriptions.push({ rule, subscriber });
  }

  remove(rule: RuleModel, subscriber: Subscriber): boolean {
    const identity = identityOf(rule);
    const at = this.#subscriptions.findIndex(
      (one) => one.subscriber === subscriber && identityOf(one.rule) === identity,
    );
    if (at >= 0) this.#subscriptions.splice(at, 1);
    return at >= 0;
  }

  keep(isKept: (rule: RuleModel, subscriber: Subscriber) => boolean): void {
    this.#subscriptions = this.#subscriptions.filter((one) => isKept(one.rule, one.subscriber));
  }

  collect(message: MessageModel): string[] {
    const matching = this.#subscriptions.filter(({ rule }) => matches(rule, message));
    return [...new Set(matching.map(({ subscriber }) => subscriber.name))].toSorted();
  }

  /** A rule that somebody has, so that removals find something. */
  ruleOf(subscriber: Subscriber): RuleModel | undefined {
    return this.#subscriptions.find((one) => one.subscriber === subscriber)?.rule;
  }
}

/** Does the same to both; returns what each had to say to it. */
function play(
  step: Step,
  index: MatchIndex<Subscriber>,
  model: NaiveIndex,
): { index: unknown; model: unknown } {
  const { size } = model;
  switch (step.kind) {
    case 'add':
      index.add(parsed(textOf(step.rule)), step.subscriber);
      model.add(step.rule, step.subscriber);
      return { index: index.ruleCount, model: model.size };
    case 'remove': {
      const rule = model.ruleOf(step.subscriber) ?? step.rule;
      const isRemoved = index.remove(parsed(textOf(rule)), step.subscriber);
      return { index: isRemoved, model: model.remove(rule, step.subscriber) };
    }
    case 'leave':
      model.keep((_, subscriber) => subscriber !== step.subscriber);
      return { index: index.removeAll(step.subscriber), model: size - model.size };
    case 'gone': {
      model.keep((rule) => rule.sender !== step.name && rule.destination !== step.name);
      const removed = index.removeNaming(step.name).map(({ count }) => count);
      return { index: removed.reduce((sum, count) => sum + count, 0), model: size - model.size };
    }
    default: {
      const seen = collected(index, step.message).toSorted();
      return { index: seen, model: model.collect(step.message) };
    }
  }
}

describe(`random rules and messages (SEED=${seed})`, () => {
  test.each([256, 3, 0])('agree with a naive reading of the specification (%i shapes)', (wide) => {
    const histories = fc.array(steps, { minLength: 10, maxLength: 80 });
    fc.assert(
      fc.property(histories, (history) => {
        const index = new MatchIndex<Subscriber>({ wideShapesMax: wide });
        const model = new NaiveIndex();
        for (const one of history) {
          const said = play(one, index, model);
          expect(said.index).toEqual(said.model);
          expect(index.ruleCount).toBe(model.size);
        }
        for (const subscriber of SUBSCRIBERS) index.removeAll(subscriber);
        expect([index.shapeCount, index.interner.size]).toEqual([0, 0]);
      }),
      { seed, numRuns: 250 },
    );
  });
});

describeWith([needs('dbus-daemon', 'dbus-daemon')], `dbus-daemon (SEED=${seed})`, () => {
  test('delivers the same broadcasts to the same subscribers', async () => {
    const rules = fc.sample(ruleModels, { seed, numRuns: 60 }).map((rule) => ({
      ...rule,
      type: undefined,
      sender: undefined,
      args: rule.args.slice(0, 1),
    }));
    const messages = fc
      .sample(messageModels, { seed, numRuns: 400 })
      .filter(({ type, destination }) => type === 'signal' && destination === undefined);
    const bus = await ReferenceBus.start();
    try {
      const receivers = await Promise.all(rules.map(() => bus.connect()));
      await Promise.all(receivers.map((one, n) => one.call('AddMatch', 's', [textOf(rules[n])])));
      const sender = await bus.connect();
      const serials = messages.map(({ path, interface: iface, member, body, littleEndian }) => {
        const signature = body.map(([code]) => code).join('');
        const fields = { type: 4, path, interface: iface, member, signature };
        return sender.send(
          fields,
          body.map(([, value]) => value),
          littleEndian,
        );
      });
      await sender.call('GetId');
      await Promise.all(receivers.map((one) => one.call('GetId')));

      const index = new MatchIndex<Subscriber>();
      const owners = rules.map((_, n) => ({ name: String(n) }));
      rules.forEach((rule, n) => index.add(parsed(textOf(rule)), owners[n]));
      const isHeard = (n: number, serial: number): boolean =>
        receivers[n].received.some((one) => {
          return one.sender === sender.uniqueName && one.serial === serial;
        });
      expect(receivers.some((one) => one.received.length > 0)).toBe(true);
      messages.forEach((message, at) => {
        const heard = owners.filter((_, n) => isHeard(n, serials[at])).map(({ name }) => name);
        const ours = collected(index, { ...message, senderNames: [sender.uniqueName] });
        expect({ message, heard: ours.toSorted() }).toEqual({ message, heard: heard.toSorted() });
      });
      for (const one of [sender, ...receivers]) one.close();
    } finally {
      await bus.stop();
    }
  });
});
