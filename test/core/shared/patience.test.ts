import { describe, expect, it } from 'vitest';
import { parseLookUs, Patience } from '#core/shared/index.js';

/** The looks before `count` sleeps that nothing interrupts, in us. */
function looksInVain(patience: Patience, count: number): number[] {
  return Array.from({ length: count }, () => {
    const lookUs = patience.lookNs / 1e3;
    patience.sleeping(patience.lookNs);
    return lookUs;
  });
}

describe('patience', () => {
  it('is none at first', () => {
    expect(looksInVain(new Patience(), 10)).toEqual(Array.from({ length: 10 }, () => 0));
  });

  it('comes back at once when a look was rewarded, and goes when looks are in vain', () => {
    const patience = new Patience();
    patience.rewarded(1000);
    expect(looksInVain(patience, 8)).toEqual([50, 25, 12.5, 6.25, 3.125, 1.562, 0, 0]);
    patience.rewarded(1000);
    expect(patience.lookNs).toBe(50_000);
  });

  it('is tried now and then: little is lost with somebody who never comes in time', () => {
    const looks = looksInVain(new Patience(), 64 * 100);
    expect(looks.filter((lookUs) => lookUs === 50).length).toBeGreaterThan(80);
    const sum = looks.reduce((total, lookUs) => total + lookUs, 0);
    expect(sum / looks.length).toBeLessThan(2);
  });

  it('outlasts interrupted looks that cost no more than 20 ms', () => {
    const patience = new Patience();
    patience.rewarded(1000);
    for (let i = 0; i < 6; i++) patience.rewarded(3e6);
    expect(patience.lookNs).toBe(50_000);
    patience.rewarded(3e6);
    expect(patience.lookNs).toBe(0);
  });

  it('outlasts interrupted looks that cost no more than the rewarded ones save, 50 us each', () => {
    const patience = new Patience();
    for (let i = 0; i < 1000; i++) {
      for (let saved = 0; saved < 60; saved++) patience.rewarded(1000);
      patience.rewarded(3e6);
    }
    expect(patience.lookNs).toBe(50_000);
  });

  it('saves up no more than 20 ms', () => {
    const patience = new Patience();
    for (let i = 0; i < 1e6; i++) patience.rewarded(1000);
    patience.rewarded(21e6);
    expect(patience.lookNs).toBe(0);
  });

  it('is tried ever more rarely when trials are interrupted', () => {
    const patience = new Patience();
    patience.rewarded(1000);
    patience.rewarded(21e6);
    for (const sleeps of [256, 1024, 4096, 4096]) {
      expect(looksInVain(patience, sleeps)).toEqual(Array.from({ length: sleeps }, () => 0));
      expect(patience.lookNs).toBe(50_000);
      patience.sleeping(3e6);
    }
    looksInVain(patience, 4096);
    patience.rewarded(1000);
    looksInVain(patience, 6);
    expect(looksInVain(patience, 64)).toEqual(Array.from({ length: 64 }, () => 0));
    expect(patience.lookNs).toBe(50_000);
  });

  it.each([0, 20])('of %d us is what it was told to be', (lookUs) => {
    const patience = new Patience(lookUs);
    patience.rewarded(1000);
    expect(looksInVain(patience, 3)).toEqual([lookUs, lookUs, lookUs]);
    expect(looksInVain(patience, 200)).toContain(lookUs);
  });
});

describe('BUS1_LOOK_US', () => {
  it.each([
    [undefined, undefined],
    ['', undefined],
    ['0', 0],
    ['25', 25],
  ])('%j is %j', (text, lookUs) => {
    expect(parseLookUs(text)).toBe(lookUs);
  });

  it.each(['-1', '1.5', 'never', '1000001'])('"%s" is refused', (text) => {
    expect(() => parseLookUs(text)).toThrow(`from 0 to 1000000, not "${text}"`);
  });
});
