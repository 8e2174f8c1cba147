// Which signals a rule wants, as the bus sees it (test/registry/match-rule.test.ts), on this side of the bus.
import { describe, expect, test } from 'vitest';
import type { Signal } from '#bridge/client/index.js';
import { signalRule, wants, type SignalRule } from '#bridge/client/signal-rule.js';
import { Stream } from '#bridge/client/stream.js';

const signal = {
  sender: ':1.7',
  path: '/a/b',
  interface: 'org.example.I',
  member: 'M',
  signature: 'soss',
  body: ['org.example.Name', '/x/y', '/dir/', 'text'],
  destination: undefined,
} as unknown as Signal;
const ownerOf = (name: string) => (name === 'org.example.Owned' ? ':1.7' : undefined);

describe('a rule', () => {
  test.each<[SignalRule, string, boolean]>([
    [{}, "type='signal'", true],
    [{ interface: 'org.example.I' }, "type='signal',interface='org.example.I'", true],
    [{ interface: 'org.example.J' }, "type='signal',interface='org.example.J'", false],
    [{ member: 'M' }, "type='signal',member='M'", true],
    [{ member: 'N' }, "type='signal',member='N'", false],
    [{ path: '/a/b' }, "type='signal',path='/a/b'", true],
    [{ path: '/a' }, "type='signal',path='/a'", false],
    [{ pathNamespace: '/a' }, "type='signal',path_namespace='/a'", true],
    [{ pathNamespace: '/' }, "type='signal',path_namespace='/'", true],
    [{ pathNamespace: '/a/b' }, "type='signal',path_namespace='/a/b'", true],
    [{ pathNamespace: '/a/bc' }, "type='signal',path_namespace='/a/bc'", false],
    [{ sender: ':1.7' }, "type='signal',sender=':1.7'", true],
    [{ sender: ':1.8' }, "type='signal',sender=':1.8'", false],
    [{ sender: 'org.example.Owned' }, "type='signal',sender='org.example.Owned'", true],
    [{ sender: 'org.example.Other' }, "type='signal',sender='org.example.Other'", false],
    [{ args: { 3: 'text' } }, "type='signal',arg3='text'", true],
    [{ args: { 1: '/x/y' } }, "type='signal',arg1='/x/y'", false],
    [{ args: { 9: 'text' } }, "type='signal',arg9='text'", false],
    [{ argPaths: { 1: '/x/' } }, "type='signal',arg1path='/x/'", true],
    [{ argPaths: { 2: '/dir/file' } }, "type='signal',arg2path='/dir/file'", true],
    [{ argPaths: { 1: '/x' } }, "type='signal',arg1path='/x'", false],
    [{ arg0Namespace: 'org.example' }, "type='signal',arg0namespace='org.example'", true],
    [{ arg0Namespace: 'org.exam' }, "type='signal',arg0namespace='org.exam'", false],
    [{ args: { 3: "it's" } }, String.raw`type='signal',arg3='it'\''s'`, false],
  ])('%j', (rule, text, isWanted) => {
    expect(signalRule(rule).text).toBe(text);
    expect(wants(signalRule(rule), signal, ownerOf)).toBe(isWanted);
    expect(wants(signalRule(text), signal, ownerOf)).toBe(isWanted);
  });
});

describe('a stream that is iterated', () => {
  const source = (emit: (next: (value: number) => void) => void, bufferMax?: number) => {
    let isOpen = 0;
    const stream = new Stream<number>((observer) => {
      isOpen++;
      emit((value) => observer.next(value));
      return () => void isOpen--;
    }, bufferMax);
    return { stream, open: () => isOpen };
  };

  test('gives what has come, then what comes, and leaves when the loop ends', async () => {
    let later = (_value: number): void => {};
    const { stream, open } = source((next) => {
      later = next;
      next(1);
      next(2);
    });
    const values: number[] = [];
    for await (const value of stream) {
      values.push(value);
      if (value === 2) queueMicrotask(() => later(3));
      if (value === 3) break;
    }
    expect(values).toEqual([1, 2, 3]);
    expect(open()).toBe(0);
  });

  test('ends with an error when more waits than it may keep, after what it has kept', async () => {
    const { stream, open } = source((next) => [1, 2, 3].forEach(next), 2);
    const values: number[] = [];
    const reading = (async () => {
      for await (const value of stream) values.push(value);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'SignalsLost' });
    expect(values).toEqual([1, 2]);
    expect(open()).toBe(0);
  });
});
