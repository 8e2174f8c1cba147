// A name moves from the bridge back to the existing bus.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ErrorReply, type RawClient } from '../support/raw-client.js';
import { describeWith } from '../support/software.js';
import { answerPing, askForName, Move, numbers, numbersAt, numbersIn } from './moving.js';
import { ownersSeen, sendNumbers } from './moving.js';
import { OLD_BUSES, OLD_BUS_SOFTWARE } from './old-bus.js';
import { callAndAnswer, isGone, isSignal, NEW_NAME, RawPair, takeName, watch } from './raw-pair.js';

const REPLACE_EXISTING = 2;
const DO_NOT_QUEUE = 4;
const PRIMARY_OWNER = 1;
const IN_QUEUE = 2;
const EXISTS = 3;
const MANY = 400;
const BACK = { isBack: true };

describe.each(OLD_BUSES)('beside %s', (kind) => {
  describeWith(OLD_BUS_SOFTWARE[kind], 'a name that moves back to the existing bus', () => {
    let pair: RawPair;
    beforeAll(async () => {
      pair = await RawPair.start(kind);
    });
    afterEach(async () => {
      const client = pair.here();
      watch(client, NEW_NAME);
      const isOwned = client.callBus('NameHasOwner', 's', [NEW_NAME])[0] === true;
      pair.closeClients({ except: client });
      if (isOwned) client.receive(isGone(NEW_NAME));
      pair.closeClients();
      const { exports, imports } = await pair.bridge.status();
      if (!exports.includes(NEW_NAME)) await pair.bridge.uplink('Export', NEW_NAME);
      if (imports.includes(NEW_NAME)) await pair.bridge.uplink('Unimport', NEW_NAME);
    });
    afterAll(() => pair.stop());

    function changedOnce(watcher: RawClient): void {
      const changes = ownersSeen(watcher, NEW_NAME);
      expect(changes).toHaveLength(1);
      expect(changes[0]).not.toContain('');
    }

    test.each([
      {
        how: 'who replaces the one here',
        flags: REPLACE_EXISTING | DO_NOT_QUEUE,
        code: PRIMARY_OWNER,
      },
      { how: 'who waits in the queue', flags: 0, code: IN_QUEUE },
    ])('gets an owner there $how, at one stroke on either bus', async ({ flags, code }) => {
      const service = pair.newService();
      const [client, outsider, mover, next] = [
        pair.here(),
        pair.there(),
        pair.here(),
        pair.there(),
      ];
      callAndAnswer(client, NEW_NAME, service);
      watch(client, NEW_NAME);
      watch(outsider, NEW_NAME);
      const move = new Move(mover, NEW_NAME, BACK);
      expect(move.reached('waiting').owner).toBe(service.uniqueName);
      expect(askForName(next, NEW_NAME, flags)()).toBe(code);
      answerPing(next);
      answerPing(service);
      expect(move.result()).toMatchObject({
        from: { owner: service.uniqueName },
        to: { owner: next.uniqueName, pid: process.pid },
      });
      callAndAnswer(client, NEW_NAME, next);
      callAndAnswer(outsider, NEW_NAME, next);
      changedOnce(client);
      changedOnce(outsider);
      expect(next.callBus('ListQueuedOwners', 's', [NEW_NAME])).toEqual([[next.uniqueName]]);
      expect(service.receive(isSignal('NameLost')).body.at(-1)).toBe(NEW_NAME);
      const { exported } = await pair.bridge.status();
      expect(exported).toEqual([]);
    });

    test.each([
      { sender: 'a client of the bridge', open: () => pair.here() },
      { sender: 'a client of the old bus', open: () => pair.there() },
    ])('what $sender says without a pause arrives once, and in order', ({ open }) => {
      const service = pair.newService();
      const [client, mover, next] = [open(), pair.here(), pair.there()];
      callAndAnswer(client, NEW_NAME, service);
      const move = new Move(mover, NEW_NAME, BACK);
      move.reached('waiting');
      sendNumbers(client, NEW_NAME, 1, MANY);
      const answer = askForName(next, NEW_NAME, REPLACE_EXISTING);
      sendNumbers(client, NEW_NAME, MANY + 1, 2 * MANY);
      answer();
      answerPing(next);
      sendNumbers(client, NEW_NAME, 2 * MANY + 1, 3 * MANY);
      answerPing(service);
      move.result();
      sendNumbers(client, NEW_NAME, 3 * MANY + 1, 4 * MANY);
      const after = numbersAt(next, client, NEW_NAME);
      const before = numbersIn(service.receiveWaiting());
      expect([...before, ...after]).toEqual(numbers(1, 4 * MANY));
    });

    describe('stays here', () => {
      test('when nobody over there asks for it', () => {
        const service = pair.newService();
        const [mover, rival] = [pair.here(), pair.there()];
        const move = new Move(mover, NEW_NAME, { isBack: true, timeoutMs: 50 });
        const { text } = move.failure();
        expect(text).toContain(
          `${NEW_NAME} was not moved: no program has requested it on the other bus within 0.05 s`,
        );
        expect(text).toContain(`It is owned by ${service.uniqueName} (pid ${process.pid}, `);
        expect(text).toMatch(/\) on the bridge now, on the bus at /);
        callAndAnswer(rival, NEW_NAME, service);
        expect(takeName(rival, NEW_NAME, REPLACE_EXISTING | DO_NOT_QUEUE)).toBe(EXISTS);
      });

      test('when the new owner dies: what it has replaced comes back', () => {
        const service = pair.newService();
        const [client, outsider, mover, next] = [
          pair.here(),
          pair.there(),
          pair.here(),
          pair.there(),
        ];
        watch(client, NEW_NAME);
        const move = new Move(mover, NEW_NAME, BACK);
        move.reached('waiting');
        askForName(next, NEW_NAME, REPLACE_EXISTING)();
        next.close();
        expect(move.failure().text).toMatch(/has disconnected, or has not answered/);
        callAndAnswer(client, NEW_NAME, service);
        callAndAnswer(outsider, NEW_NAME, service);
        expect(ownersSeen(client, NEW_NAME)).toEqual([]);
        expect(takeName(outsider, NEW_NAME, REPLACE_EXISTING | DO_NOT_QUEUE)).toBe(EXISTS);
      });

      test('when it is not owned here, or not exported', () => {
        expect(new Move(pair.here(), NEW_NAME, BACK).failure().text).toMatch(
          /it has no owner on the bridge/,
        );
        takeName(pair.here(), 'org.example.Private');
        const { text } = new Move(pair.here(), 'org.example.Private', BACK).failure();
        expect(text).toMatch(/does not own it on both buses: export it first/);
      });
    });

    test('there and back again', () => {
      const old = pair.there();
      const [client, outsider, mover, service] = [
        pair.here(),
        pair.there(),
        pair.here(),
        pair.here(),
      ];
      takeName(old, NEW_NAME);
      const there = new Move(mover, NEW_NAME);
      there.reached('waiting');
      askForName(service, NEW_NAME)();
      answerPing(service);
      answerPing(old);
      there.reached('queued');
      old.callBus('ReleaseName', 's', [NEW_NAME]);
      answerPing(old);
      answerPing(service);
      there.result();
      callAndAnswer(client, NEW_NAME, service);
      const back = new Move(mover, NEW_NAME, BACK);
      back.reached('waiting');
      takeName(old, NEW_NAME);
      answerPing(old);
      answerPing(service);
      back.result();
      callAndAnswer(client, NEW_NAME, old);
      callAndAnswer(outsider, NEW_NAME, old);
      expect(() => takeName(service, NEW_NAME)).toThrow(ErrorReply);
    });
  });
});
