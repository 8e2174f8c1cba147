import { expect, test } from 'vitest';
import type { LinkedChannel } from '#core/shared/linked-channel.js';
import { EntryType, SLICE_ENTRIES, WORK_FORGIVEN, WORK_MAX } from '#core/shared/layout.js';
import { Merge } from '#core/shared/merge.js';

/** A channel as the merge sees it: entries are their stamps. */
class FakeConnection {
  isBlocked = false;
  stampNs = -1;
  horizon = 0;
  workLeft = 0;
  readonly link = { isOpen: true, identity: { isTrusted: false } };
  readonly entries: number[] = [];
  /** called when the merge looks at the ring */
  onLook = () => {};
  private seen = 0;
  private taken = 0;

  readonly channel = {
    switches: 0,
    ring: () => {},
    reader: {
      look: () => {
        this.seen = this.entries.length;
        this.onLook();
        return this.seen > this.taken;
      },
      horizon: 0,
      type: EntryType.Message as EntryType,
      isBefore: (position: number) => this.taken < position,
      publish: () => false,
    },
  };

  readonly input = {
    handleCount: 0,
    nextStampNs: () => (this.taken < this.seen ? this.entries[this.taken] : Infinity),
  };

  constructor() {
    Object.defineProperty(this.channel.reader, 'horizon', { get: () => this.seen });
  }

  take(): number {
    return this.entries[this.taken++];
  }
}

function openMerge(taken: () => boolean = () => false) {
  const delivered: number[] = [];
  const failed: unknown[] = [];
  const merge = new Merge({
    isHolding: false,
    fail: (connection, error) => {
      failed.push(error);
      Object.assign(connection.link, { isOpen: false });
    },
    taken,
    take: (connection) => {
      delivered.push((connection as unknown as FakeConnection).take());
      return true;
    },
  });
  const connections = [new FakeConnection(), new FakeConnection()];
  const linked = connections as unknown as LinkedChannel[];
  const run = () => merge.run(linked);
  const hasWork = () => merge.hasWork(linked);
  return { run, hasWork, delivered, failed, connections };
}

test('what several processes have committed is delivered by stamps', () => {
  const { run, delivered, connections } = openMerge();
  connections[0].entries.push(1, 4, 5);
  connections[1].entries.push(2, 3, 6);
  run();
  expect(delivered).toEqual([1, 2, 3, 4, 5, 6]);
});

test('a cause that is committed behind the back of the first look comes before its effect', () => {
  const { run, delivered, connections } = openMerge();
  const [ofCause, ofEffect] = connections;
  ofCause.onLook = () => {
    ofCause.onLook = () => {};
    ofCause.entries.push(1);
    ofEffect.entries.push(2);
  };
  run();
  run();
  expect(delivered).toEqual([1, 2]);
});

test('what only the second look has found is not delivered behind the rest: its cause may be still unseen', () => {
  const { run, delivered, connections } = openMerge();
  const [ofCause, ofEffect] = connections;
  ofEffect.entries.push(1);
  let looks = 0;
  ofCause.onLook = () => {
    if (++looks !== 2) return;
    ofCause.entries.push(2);
    ofEffect.entries.push(3);
  };
  run();
  expect(delivered).toEqual([1]);
  run();
  expect(delivered).toEqual([1, 2, 3]);
});

test('that is so for a ring in which alone there is something', () => {
  const { run, delivered, connections } = openMerge();
  const [, only] = connections;
  only.entries.push(1);
  only.onLook = () => {
    only.onLook = () => {};
    only.entries.push(2);
  };
  run();
  expect(delivered).toEqual([1]);
  run();
  expect(delivered).toEqual([1, 2]);
});

test('a process gets its share of a turn, and then others have theirs', () => {
  const { run, delivered, failed, connections } = openMerge();
  const [flooder, other] = connections;
  for (let i = 1; i <= 3 * SLICE_ENTRIES; i++) flooder.entries.push(i);
  run();
  expect(delivered).toHaveLength(SLICE_ENTRIES);
  other.entries.push(SLICE_ENTRIES + 0.5);
  run();
  expect(delivered[SLICE_ENTRIES]).toBe(SLICE_ENTRIES + 0.5);
  expect(delivered).toHaveLength(2 * SLICE_ENTRIES + 1);
  run();
  expect(delivered).toHaveLength(3 * SLICE_ENTRIES + 1);
  expect(failed).toEqual([]);
});

test.each([EntryType.Grant, EntryType.Claim])('entries of type %i are such work', (type) => {
  const { run, delivered, connections } = openMerge();
  const [flooder, other] = connections;
  flooder.channel.reader.type = type;
  for (let i = 1; i <= 3 * WORK_MAX; i++) flooder.entries.push(i);
  other.entries.push(1000);
  run();
  expect(delivered).toEqual([...flooder.entries.slice(0, WORK_MAX), 1000]);
});

test('of entries that lead to work a process has a share, and nobody waits for the rest', () => {
  const { run, hasWork, delivered, connections } = openMerge(() => (delivered.at(-1) ?? 0) < 1000);
  const [flooder, other] = connections;
  for (let i = 1; i <= 3 * WORK_MAX; i++) flooder.entries.push(i);
  other.entries.push(1000, 1001);
  run();
  const others = [1000, 1001];
  expect(delivered).toEqual([...flooder.entries.slice(0, WORK_MAX), ...others]);
  expect(hasWork()).toBe(true);
  run();
  run();
  const rest = flooder.entries.slice(WORK_MAX);
  expect(delivered).toEqual([...flooder.entries.slice(0, WORK_MAX), ...others, ...rest]);
});

test('calls with a handle for the reply are no such work: their order stays', () => {
  const { run, delivered, connections } = openMerge();
  const [caller, other] = connections;
  caller.input.handleCount = 1;
  for (let i = 1; i <= 3 * WORK_MAX; i++) caller.entries.push(i);
  other.entries.push(1000);
  run();
  expect(delivered).toEqual([...caller.entries, 1000]);
});

test('handles in a message are such work, and what is beyond a share counts against the next ones', () => {
  const { run, delivered, connections } = openMerge();
  const [flooder, other] = connections;
  flooder.input.handleCount = 1 + 2 * WORK_MAX + 2 * WORK_FORGIVEN;
  flooder.entries.push(1, 2);
  for (const stamp of [3, 4, 5, 6]) {
    other.entries.push(stamp);
    run();
  }
  expect(delivered).toEqual([1, 3, 4, 5, 2, 6]);
});

test('a transaction that leads to so much work is taken whole, and one that leads to more is not', () => {
  const { run, delivered, connections } = openMerge(() => true);
  const transaction = Array.from({ length: WORK_MAX }, () => 2);
  const long = Array.from({ length: 3 * WORK_MAX }, () => 3);
  connections[0].entries.push(1, ...transaction, ...long);
  run();
  expect(delivered).toEqual([1, ...transaction]);
  run();
  expect(delivered).toHaveLength(1 + 3 * WORK_MAX);
});

test('one that is trusted has as much work done as it wants', () => {
  const { run, delivered, connections } = openMerge(() => true);
  connections[0].link.identity.isTrusted = true;
  for (let i = 1; i <= 3 * WORK_MAX; i++) connections[0].entries.push(i);
  run();
  expect(delivered).toHaveLength(3 * WORK_MAX);
});

test('one that is trusted has as much of a turn as it wants', () => {
  const { run, delivered, connections } = openMerge();
  connections[0].link.identity.isTrusted = true;
  for (let i = 1; i <= 3 * SLICE_ENTRIES; i++) connections[0].entries.push(i);
  run();
  expect(delivered).toHaveLength(3 * SLICE_ENTRIES);
});

test('what fails after an entry is the fault of its sender, and others go on', () => {
  const fault = new Error('a fault of ours');
  let count = 0;
  const { run, delivered, failed, connections } = openMerge(() => {
    if (++count === 2) throw fault;
    return false;
  });
  connections[0].entries.push(1, 4);
  connections[1].entries.push(2, 3);
  run();
  expect(failed).toEqual([fault]);
  expect(connections.map(({ link }) => link.isOpen)).toEqual([true, false]);
  expect(delivered).toEqual([1, 2, 4]);
});
