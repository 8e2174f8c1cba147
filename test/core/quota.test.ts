import { describe, expect, test } from 'vitest';
import { ResourceUser, Slot, type Maxima, type Trace } from '#core/index.js';
import { seededRandom, type Random } from './random.js';

const MAX = 1024;
/** The most that a window of another process can say (`WindowOffset.Claims`). */
const CLAIMS_MAX = 2 ** 32 - 1;
const MAXIMA: Maxima = { objects: MAX, bytes: MAX, descriptors: MAX };
const SLOTS = [Slot.Objects, Slot.Bytes, Slot.Descriptors] as const;

/** Amounts for `charge` and `discharge` that are about one slot. */
function only(slot: Slot, amount: number): [number, number, number] {
  const amounts: [number, number, number] = [0, 0, 0];
  amounts[slot] = amount;
  return amounts;
}

/** One step of a case: an actor of a uid charges or gives back; `most` asserts that one more is refused first. */
type Step =
  | { readonly actor: string; readonly charge: number }
  | { readonly actor: string; readonly refused: number }
  | { readonly actor: string; readonly most: number }
  | { readonly actor: string; readonly discharge: number };

/** Actors are named uid.number; the user that they charge is uid 0 with maxima of 1024. */
const CASES: readonly { readonly says: string; readonly steps: readonly Step[] }[] = [
  {
    says: 'the user itself can take all, in halves; then nobody can take more until some is back',
    steps: [
      { actor: '0.1', charge: 256 },
      { actor: '0.1', charge: 256 },
      { actor: '0.1', refused: 1 },
      { actor: '1.1', refused: 1 },
      { actor: '0.1', discharge: 256 },
      { actor: '0.1', charge: 256 },
    ],
  },
  {
    says: 'an actor of the user itself takes half, the next half of what is left',
    steps: [
      { actor: '0.1', most: 512 },
      { actor: '0.2', most: 256 },
      { actor: '0.3', most: 128 },
    ],
  },
  {
    says: 'a foreign user takes an eighth, its next actor a sixteenth, the next users less',
    steps: [
      { actor: '1.1', most: 128 },
      { actor: '1.2', most: 64 },
      { actor: '2.1', most: 42 },
      { actor: '2.2', most: 21 },
    ],
  },
  {
    says: 'what one foreign user gives back another can take',
    steps: [
      { actor: '1.1', most: 128 },
      { actor: '1.1', discharge: 128 },
      { actor: '2.1', most: 128 },
    ],
  },
  {
    says: 'a claim that gives back keeps as much in reserve as its average actor uses',
    steps: [
      { actor: '1.1', charge: 100 },
      { actor: '1.1', discharge: 50 },
      { actor: '0.1', most: 462 },
      { actor: '1.2', most: 25 },
      { actor: '1.2', refused: 1 },
    ],
  },
  {
    says: 'a charge above all that there is, or of a number beyond 2^52, is refused',
    steps: [
      { actor: '0.1', refused: MAX + 1 },
      { actor: '1.1', refused: 2 ** 52 },
      { actor: '1.1', most: 128 },
    ],
  },
];

class Actors {
  readonly user = new ResourceUser(0, MAXIMA);
  private readonly traces = new Map<string, Trace>();

  trace(name: string): Trace {
    let trace = this.traces.get(name);
    if (trace === undefined) {
      trace = this.user.claim(Number(name.split('.')[0])).trace();
      this.traces.set(name, trace);
    }
    return trace;
  }
}

/** Whether the rule answers a step as the case says. */
function holds(step: Step, slot: Slot, actors: Actors): boolean {
  const trace = actors.trace(step.actor);
  const charge = (amount: number) => trace.charge(...only(slot, amount));
  if ('charge' in step) return charge(step.charge);
  if ('refused' in step) return !charge(step.refused);
  if ('most' in step) return !charge(step.most + 1) && charge(step.most);
  trace.discharge(...only(slot, step.discharge));
  return true;
}

describe('the KUnit case bus1_acct::basic', () => {
  for (const { says, steps } of CASES) {
    test(`charges user 0: ${says}`, () => {
      for (const slot of SLOTS) {
        const actors = new Actors();
        const broken = steps.filter((step) => !holds(step, slot, actors));
        expect({ slot, broken }).toEqual({ slot, broken: [] });
      }
    });
  }
});

test('a charge that one slot refuses takes nothing of the others', () => {
  const actors = new Actors();
  const trace = actors.trace('1.1');
  expect(trace.charge(10, 10, 129)).toBe(false);
  expect(SLOTS.map((slot) => actors.user.used(slot))).toEqual([0, 0, 0]);
  expect(actors.user.activeClaims).toBe(0);
  expect(trace.charge(10, 10, 128)).toBe(true);
});

interface Charged {
  readonly trace: Trace;
  readonly amounts: readonly [number, number, number];
}

const SEQUENCES = 300;
const STEPS = 200;

test('random charges never exceed the maxima, and sum to zero when all is given back', () => {
  const random = seededRandom('QUOTA_SEED', 'quota');
  for (let sequence = 0; sequence < SEQUENCES; sequence++) {
    const user = new ResourceUser(0, {
      /* enough for one charge of any claimant: half of a share of 1/(n log² n), n = 5 */
      objects: 200 + random.below(4000),
      bytes: MAX,
      descriptors: 40,
    });
    const claims = Array.from({ length: 5 }, (_, uid) => user.claim(uid));
    const traces = claims.flatMap((claim) => [claim.trace(), claim.trace(), claim.trace()]);
    const held: Charged[] = [];
    let accepted = 0;
    for (let step = 0; step < STEPS; step++) {
      if (held.length > 0 && random.chance(0.4)) giveBack(held, random);
      else if (chargeSome(traces, held, random)) accepted++;
      mustAddUp(user, held);
    }
    expect(accepted).toBeGreaterThan(0);
    while (held.length > 0) giveBack(held, random);
    mustAddUp(user, held);
    expect(SLOTS.map((slot) => user.used(slot))).toEqual([0, 0, 0]);
    expect(user.activeClaims).toBe(0);
    for (const trace of traces) trace.abandon();
    expect(claims.map((claim) => user.claim(claim.claimantUid) === claim)).not.toContain(true);
  }
});

function chargeSome(traces: readonly Trace[], held: Charged[], random: Random): boolean {
  const trace = random.pick(traces);
  const most = 1 + random.below(200);
  const amounts = [1 + random.below(most), random.below(most), random.below(3)] as const;
  const isCharged = trace.charge(...amounts);
  if (isCharged) held.push({ trace, amounts });
  return isCharged;
}

function giveBack(held: Charged[], random: Random): void {
  const [{ trace, amounts }] = held.splice(random.below(held.length), 1);
  trace.discharge(...amounts);
}

/** Every level holds at least what the level below it was given, and never more than there is. */
function mustAddUp(user: ResourceUser, held: readonly Charged[]): void {
  const claims = [...user.claimants()];
  for (const slot of SLOTS) {
    const charged = held.reduce((sum, { amounts }) => sum + amounts[slot], 0);
    const used = claims.reduce((sum, claim) => sum + claim.used(slot), 0);
    const shares = claims.reduce((sum, claim) => sum + claim.share[slot], 0);
    const taken = user.used(slot);
    const isSound = used === charged && shares === taken && charged <= taken;
    if (isSound && taken <= user.maxima[slot]) continue;
    throw new Error(`slot ${slot}: charged ${charged}, used ${used}, shares ${shares} of ${taken}`);
  }
}

describe('fairness', () => {
  /** What a second claimant may charge when the first has taken the quarter that it can: 3/4 of 1024 in 2 x 9. */
  const MINIMUM = 42;

  test.each([1, 2, 10, 100, 1000])(
    'a uid with %i peers leaves another uid its minimum',
    (peers) => {
      const random = seededRandom('QUOTA_SEED', `fairness, ${peers} peers`);
      const actors = new Actors();
      const held: Charged[] = [];
      const attackers = Array.from({ length: peers }, (_, i) => actors.trace(`1.${i}`));
      for (let attempt = 0; attempt < 2000; attempt++) {
        if (held.length > 0 && random.chance(0.1)) giveBack(held, random);
        else chargeSome(attackers, held, random);
      }
      for (const attacker of attackers) while (attacker.charge(1, 1, 1));
      for (const slot of SLOTS) expect(actors.user.used(slot)).toBeLessThanOrEqual(MAX / 4);
      expect(actors.trace('2.1').charge(MINIMUM, MINIMUM, MINIMUM)).toBe(true);
      expect(actors.trace('0.1').charge(MINIMUM, MINIMUM, MINIMUM)).toBe(true);
    },
  );

  test('the share is small, and costs no memory, however many others another process says there are', () => {
    const user = new ResourceUser(0, MAXIMA);
    user.activeClaims = CLAIMS_MAX;
    expect(user.claim(1).trace().charge(1, 1, 1)).toBe(false);
  });

  test('uids that take all they can, one after the other, leave the next its share', () => {
    const actors = new Actors();
    const most: number[] = [];
    for (let uid = 1; uid <= 8; uid++) {
      let amount = 0;
      while (actors.trace(`${uid}.1`).charge(0, 1, 0)) amount++;
      while (actors.trace(`${uid}.2`).charge(0, 1, 0));
      most.push(amount);
    }
    expect(most.slice(0, 2)).toEqual([128, 42]);
    expect(most.every((amount, i) => amount > 0 && (i === 0 || amount <= most[i - 1]))).toBe(true);
  });
});
