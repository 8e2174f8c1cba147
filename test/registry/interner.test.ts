import { describe, expect, test } from 'vitest';
import { Interner } from '#bridge/registry/interner.js';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function find(interner: Interner, text: string): number {
  const bytes = bytesOf(`<${text}>`);
  return interner.find(bytes, 1, bytes.length - 2);
}

describe('an interner', () => {
  test('gives equal texts equal ids, which are not 0', () => {
    const interner = new Interner();
    const id = interner.retain('a.b');
    expect(id).not.toBe(0);
    expect(interner.retain('a.b')).toBe(id);
    expect(interner.retain('a.c')).not.toBe(id);
    expect(find(interner, 'a.b')).toBe(id);
    expect(interner.textOf(id)).toBe('a.b');
  });

  test('knows the empty text and those beyond ASCII', () => {
    const interner = new Interner();
    const ids = [interner.retain(''), interner.retain('é')];
    expect([find(interner, ''), find(interner, 'é')]).toEqual(ids);
  });

  test('forgets a text with its last use', () => {
    const interner = new Interner();
    const id = interner.retain('a');
    interner.retain('a');
    interner.release(id);
    expect(find(interner, 'a')).toBe(id);
    interner.release(id);
    expect(find(interner, 'a')).toBe(0);
    expect(interner.size).toBe(0);
    expect(() => interner.release(id)).toThrow(RangeError);
  });

  test('keeps its ids while it grows and shrinks', () => {
    const interner = new Interner(0x1234);
    const texts = Array.from({ length: 5000 }, (_, n) => `text ${n}`);
    const ids = texts.map((text) => interner.retain(text));
    expect(texts.map((text) => find(interner, text))).toEqual(ids);
    ids.forEach((id, n) => n % 2 === 0 && interner.release(id));
    expect(interner.size).toBe(2500);
    expect(texts.map((text) => find(interner, text))).toEqual(
      ids.map((id, n) => (n % 2 === 0 ? 0 : id)),
    );
    const again = texts.map((text) => interner.retain(text));
    expect(new Set(again).size).toBe(5000);
    expect(Math.max(...again)).toBe(Math.max(...ids));
  });
});
