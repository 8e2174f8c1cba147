// Clients of the bridge take an exported name from each other while clients of the other bus call it.
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RawClient } from '../support/raw-client.js';
import { describeWith } from '../support/software.js';
import type { Bridge } from './bridge.js';
import { answerPing, askForName, Move, numbersAt, numbersIn, sendNumbers } from './moving.js';
import { OLD_BUSES, OLD_BUS_SOFTWARE } from './old-bus.js';
import { callAndAnswer, INTERFACE, NEW_NAME, OLD_NAME, RawPair, takeName } from './raw-pair.js';

const ALLOW_REPLACEMENT = 1;
const TAKE_OVER = ALLOW_REPLACEMENT | 2;
const NO_REPLY_EXPECTED = 1;
const ROUNDS = 60;
const PER_ROUND = 12;
const BIG_BYTES = 300_000;

const ascending = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b);

function send(caller: RawClient, number: number): void {
  const fields = { destination: NEW_NAME, interface: INTERFACE, member: 'Number', signature: 'u' };
  caller.startCall({ ...fields, flags: NO_REPLY_EXPECTED }, [number]);
}

/** Stops the bridge, all of its threads. */
async function stop({ program }: Bridge): Promise<void> {
  program.kill('SIGSTOP');
  const tasks = `/proc/${program.pid}/task`;
  const states = (): string[] =>
    readdirSync(tasks).map(
      (task) => /\) (.)/.exec(readFileSync(`${tasks}/${task}/stat`, 'latin1'))?.[1] ?? '',
    );
  await expect.poll(() => states().every((state) => state === 'T')).toBe(true);
}

describe.each(OLD_BUSES)('beside %s', (kind) => {
  describeWith(OLD_BUS_SOFTWARE[kind], 'an exported name', () => {
    let pair: RawPair;
    beforeAll(async () => {
      pair = await RawPair.start(kind);
    });
    afterEach(() => pair.closeClients());
    afterAll(() => pair.stop());

    test('that passes between clients here: each call arrives once, and in order', () => {
      const caller = pair.there();
      const owners = [pair.here(), pair.here()];
      const received: number[][] = [[], []];
      const read = (): void =>
        owners.forEach((owner, i) => received[i].push(...numbersIn(owner.receiveWaiting())));
      takeName(owners[0], NEW_NAME, ALLOW_REPLACEMENT);
      let sent = 0;
      for (let round = 0; round < ROUNDS; round++) {
        askForName(owners[(round + 1) % 2], NEW_NAME, TAKE_OVER);
        for (let i = 0; i < PER_ROUND; i++) send(caller, sent++);
        read();
      }
      while (received[0].length + received[1].length < sent) read();
      for (const numbers of received) expect(numbers).toEqual(ascending(numbers));
      expect(new Set(received.flat()).size).toBe(sent);
    });

    test('whose move meets much that comes from there: what a client here sent stays in order', async () => {
      const [mover, client, candidate] = [pair.here(), pair.here(), pair.here()];
      const [old, caller] = [pair.oldService(mover), pair.there()];
      const move = new Move(mover, OLD_NAME);
      move.reached('waiting');
      const answer = askForName(candidate, OLD_NAME);
      answerPing(candidate);
      answer();
      answerPing(old);
      move.reached('queued');
      callAndAnswer(client, OLD_NAME, old);
      callAndAnswer(caller, OLD_NAME, old);
      /* the bridge reads the client's message before it learns that the name has passed to the candidate */
      await stop(pair.bridge);
      sendNumbers(client, OLD_NAME, 1, 1);
      old.callBus('ReleaseName', 's', [OLD_NAME]);
      const big = { destination: OLD_NAME, interface: INTERFACE, member: 'Big', signature: 'ay' };
      for (let i = 0; i < 8; i++)
        caller.startCall({ ...big, flags: NO_REPLY_EXPECTED }, [Buffer.alloc(BIG_BYTES)]);
      caller.callBus('GetId');
      pair.bridge.program.kill('SIGCONT');
      move.reached('switched');
      sendNumbers(client, OLD_NAME, 2, 3);
      answerPing(old);
      answerPing(candidate);
      move.result();
      expect(numbersAt(candidate, client, OLD_NAME)).toEqual([1, 2, 3]);
    });

    test('is owned by the same client on both buses, whoever asked for it how often', async () => {
      const owners = [pair.here(), pair.here(), pair.here()];
      takeName(owners[0], NEW_NAME, ALLOW_REPLACEMENT);
      const answers = Array.from({ length: ROUNDS }, (_, i) =>
        askForName(owners[i % owners.length], NEW_NAME, TAKE_OVER),
      );
      for (const answer of answers) expect([1, 4]).toContain(answer());
      const outsider = pair.there();
      const owner = outsider.callBus('GetNameOwner', 's', [NEW_NAME]);
      expect(owners[0].callBus('GetNameOwner', 's', [NEW_NAME])).toEqual(owner);
    });
  });
});
