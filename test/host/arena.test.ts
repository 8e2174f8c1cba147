// The memory that a host has for messages on their way: when it is used up, messages are slower,
// and none is lost.
import { describe, expect, test } from 'vitest';
import { closeFd, sendBytes, socketPair, allocateBytes } from '#core/linux/index.js';
import { Arena, blockShiftFor } from '#bridge/host/arena.js';
import { Inflow, ReadStatus } from '#bridge/host/inflow.js';
import { LargeBuffers } from '#bridge/host/large-buffers.js';
import { ReceiveWindow } from '#bridge/host/receive-window.js';
import { SenderField } from '#bridge/host/sender-field.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';

const MIB = 1024 * 1024;
const SMALL_SHIFT = blockShiftFor(1);
const LARGE_SHIFT = blockShiftFor(MIB);

/** Takes blocks until there are none. */
function exhaust(arena: Arena, shift: number): number[] {
  const taken: number[] = [];
  for (let at = arena.take(shift); at >= 0; at = arena.take(shift)) taken.push(at);
  return taken;
}

describe('blocks', () => {
  test('are handed out once, and again when they were given back', () => {
    const arena = new Arena(4 * MIB);
    const taken = exhaust(arena, LARGE_SHIFT);
    expect(new Set(taken).size).toBe(4);
    expect(arena.usedBytes).toBe(4 * MIB);
    arena.give(taken[1], LARGE_SHIFT);
    expect(arena.take(LARGE_SHIFT)).toBe(taken[1]);
    arena.close();
  });

  test('of large size serve as small ones when a flood has left nothing else', () => {
    const arena = new Arena(4 * MIB);
    const [first] = exhaust(arena, LARGE_SHIFT);
    arena.give(first, LARGE_SHIFT);
    const small = exhaust(arena, SMALL_SHIFT);
    expect(small.toSorted((a, b) => a - b)).toEqual(
      Array.from(
        { length: 1 << (LARGE_SHIFT - SMALL_SHIFT) },
        (_, i) => first + (i << SMALL_SHIFT),
      ),
    );
    arena.close();
  });
});

describe('without any memory left', () => {
  /** Room for the receive window and nothing else. */
  const fullArena = (): { arena: Arena; window: ReceiveWindow } => {
    const arena = new Arena(2 * MIB + 512 * 1024);
    const window = new ReceiveWindow(arena, () => {});
    for (const shift of [LARGE_SHIFT, SMALL_SHIFT, 6]) exhaust(arena, shift);
    return { arena, window };
  };

  test('a message that comes in parts is put together', () => {
    const { arena, window } = fullArena();
    const [reader, writer] = socketPair();
    const inflow = new Inflow(reader, window, new LargeBuffers(), MIB, 0);
    const message = encodeMessage(
      { type: MessageType.MethodCall, serial: 1, path: '/', member: 'M', signature: 's' },
      ['in three parts'],
    );
    const got: Uint8Array[] = [];
    const handler = {
      takesMore: true,
      begin: () => {},
      message: (bytes: Uint8Array, _: DataView, start: number, end: number) =>
        got.push(bytes.slice(start, end)) > 0,
    };
    for (const [from, to] of [
      [0, 10],
      [10, 50],
      [50, message.length],
    ] as const) {
      const part = allocateBytes(to - from);
      part.bytes.set(message.subarray(from, to));
      expect(sendBytes(writer, part.address, part.bytes.length)).toBe(to - from);
      expect(inflow.read(handler)).toBe(ReadStatus.Ok);
    }
    expect(got).toEqual([message]);
    expect(inflow.waitingBytes).toBe(0);
    for (const fd of [reader, writer]) closeFd(fd);
    arena.close();
  });

  test('a new connection gets its sender field all the same', () => {
    const { arena } = fullArena();
    const used = arena.usedBytes;
    const field = new SenderField(arena);
    field.setNumber(42);
    const offset = field.offset(true);
    expect(Buffer.from(field.bytes.subarray(offset + 8, offset + 13)).toString()).toBe(':1.42');
    field.close();
    expect(arena.usedBytes).toBe(used);
    arena.close();
  });
});
