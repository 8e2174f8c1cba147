import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { describe, expect, it } from 'vitest';
import { requestSlice } from '#core/linux/index.js';

describe('the slices of a thread', () => {
  /** As the kernel shows them, where it does. */
  function shownSliceNs(): number | undefined {
    const file = '/proc/thread-self/sched';
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    const slice = /^se\.slice\s*:\s*(\d+)/m.exec(text)?.[1];
    return slice === undefined ? undefined : Number(slice);
  }

  it('are what was asked for, within the limits of the kernel, if it knows them', () => {
    const [major, minor] = release().split('.').map(Number);
    const isKnown = major > 6 || (major === 6 && minor >= 12);
    expect(requestSlice(200_000)).toBe(isKnown);
    expect(isKnown ? (shownSliceNs() ?? 200_000) : 200_000).toBe(200_000);
    expect(requestSlice(1)).toBe(false);
  });

  it('are not handed on to children', () => {
    requestSlice(200_000);
    const slice = execFileSync('sh', ['-c', 'grep se.slice /proc/self/sched || true']);
    expect(slice.toString()).not.toContain('200000');
  });
});
