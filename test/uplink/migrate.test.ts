// A name moves from an existing bus to the bridge beside it: every step, and every way in which it can fail.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ErrorReply } from '../support/raw-client.js';
import { describeWith } from '../support/software.js';
import { answerPing, askForName, Move, numbers, numbersAt, numbersIn } from './moving.js';
import { ownersSeen, sendNumbers } from './moving.js';
import { OLD_BUSES, OLD_BUS_SOFTWARE } from './old-bus.js';
import {
  callAndAnswer,
  isCall,
  isGone,
  isSignal,
  OLD_NAME,
  RawPair,
  takeName,
  watch,
} from './raw-pair.js';

const ALLOW_REPLACEMENT = 1;
const PRIMARY_OWNER = 1;
const MANY = 400;

describe.each(OLD_BUSES)('beside %s', (kind) => {
  describeWith(OLD_BUS_SOFTWARE[kind], 'a name that moves to the bridge', () => {
    let pair: RawPair;
    beforeAll(async () => {
      pair = await RawPair.start(kind);
    });
    afterEach(() => {
      /* what was moved is not imported any more */
      const client = pair.here();
      const uplink = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus' };
      const call = { ...uplink, interface: 'org.bus1.Uplink', signature: 's' };
      client.call({ ...call, member: 'Import' }, [OLD_NAME]);
      client.replyTo(client.startCall({ ...call, member: 'Unexport' }, [OLD_NAME]));
      watch(client, OLD_NAME);
      const isOwned = client.callBus('NameHasOwner', 's', [OLD_NAME])[0] === true;
      pair.closeClients({ except: client });
      if (isOwned) client.receive(isGone(OLD_NAME));
      pair.closeClients();
    });
    afterAll(() => pair.stop());

    /** Both are told that it has changed hands, and nothing else. */
    function movedAtOnce(watcher: ReturnType<RawPair['here']>): void {
      const changes = ownersSeen(watcher, OLD_NAME);
      expect(changes).toHaveLength(1);
      expect(changes[0]).not.toContain('');
    }

    test('replaces an owner that allows it, at one stroke on either bus', () => {
      const [client, mover, service, old, outsider] = [
        pair.here(),
        pair.here(),
        pair.here(),
        pair.there(),
        pair.there(),
      ];
      takeName(old, OLD_NAME, ALLOW_REPLACEMENT);
      callAndAnswer(client, OLD_NAME, old);
      watch(client, OLD_NAME);
      watch(outsider, OLD_NAME);
      const move = new Move(mover, OLD_NAME);
      expect(move.reached('waiting')).toEqual({ owner: old.uniqueName, pid: process.pid });
      const answer = askForName(service, OLD_NAME);
      expect(move.reached('candidate').owner).toBe(service.uniqueName);
      expect(answer()).toBe(PRIMARY_OWNER);
      answerPing(service);
      answerPing(old);
      answerPing(service);
      expect(move.result()).toMatchObject({
        from: { owner: old.uniqueName },
        to: { owner: service.uniqueName },
      });
      callAndAnswer(client, OLD_NAME, service);
      callAndAnswer(outsider, OLD_NAME, service);
      movedAtOnce(client);
      movedAtOnce(outsider);
    });

    test('waits for an owner that does not allow to be replaced, and whoever calls waits for nobody', () => {
      const [client, mover, service, old, outsider] = [
        pair.here(),
        pair.here(),
        pair.here(),
        pair.there(),
        pair.there(),
      ];
      takeName(old, OLD_NAME);
      watch(outsider, OLD_NAME);
      const move = new Move(mover, OLD_NAME);
      move.reached('waiting');
      askForName(service, OLD_NAME)();
      answerPing(service);
      answerPing(old);
      expect(move.reached('queued')).toEqual({ owner: old.uniqueName, pid: process.pid });
      callAndAnswer(client, OLD_NAME, old);
      callAndAnswer(outsider, OLD_NAME, old);
      old.close();
      answerPing(service);
      move.result();
      callAndAnswer(client, OLD_NAME, service);
      callAndAnswer(outsider, OLD_NAME, service);
      movedAtOnce(outsider);
    });

    test.each([
      { sender: 'a client of the bridge', open: () => pair.here() },
      { sender: 'a client of the old bus', open: () => pair.there() },
    ])('what $sender says without a pause arrives once, and in order', ({ open }) => {
      const [client, mover, service, old] = [open(), pair.here(), pair.here(), pair.there()];
      takeName(old, OLD_NAME);
      callAndAnswer(client, OLD_NAME, old);
      const move = new Move(mover, OLD_NAME);
      move.reached('waiting');
      askForName(service, OLD_NAME)();
      answerPing(service);
      answerPing(old);
      move.reached('queued');
      sendNumbers(client, OLD_NAME, 1, MANY);
      const release = old.startCall(
        {
          destination: 'org.freedesktop.DBus',
          path: '/org/freedesktop/DBus',
          member: 'ReleaseName',
          interface: 'org.freedesktop.DBus',
          signature: 's',
        },
        [OLD_NAME],
      );
      sendNumbers(client, OLD_NAME, MANY + 1, 2 * MANY);
      old.replyTo(release);
      answerPing(old);
      answerPing(service);
      move.result();
      sendNumbers(client, OLD_NAME, 2 * MANY + 1, 3 * MANY);
      const after = numbersAt(service, client, OLD_NAME);
      const before = numbersIn(old.receiveWaiting());
      expect([...before, ...after]).toEqual(numbers(1, 3 * MANY));
    });

    test('calls that were under way are answered by whoever got them', () => {
      const [client, mover, service, old] = [pair.here(), pair.here(), pair.here(), pair.there()];
      takeName(old, OLD_NAME, ALLOW_REPLACEMENT);
      const question = { destination: OLD_NAME, interface: 'org.example.Pair', member: 'Question' };
      const early = client.startCall(question);
      const asked = old.receive(({ member }) => member === 'Question');
      const move = new Move(mover, OLD_NAME);
      move.reached('waiting');
      askForName(service, OLD_NAME)();
      answerPing(service);
      move.reached('switched');
      const late = client.startCall(question);
      answerPing(old);
      answerPing(service);
      move.result();
      old.reply(asked, 's', ['old']);
      service.reply(
        service.receive(({ member }) => member === 'Question'),
        's',
        ['new'],
      );
      expect(client.replyTo(late).body).toEqual(['new']);
      expect(client.replyTo(early).body).toEqual(['old']);
    });

    describe('stays where it is', () => {
      test('when nobody asks for it', () => {
        const [client, mover, old] = [pair.here(), pair.here(), pair.there()];
        takeName(old, OLD_NAME, ALLOW_REPLACEMENT);
        const { errorName, text } = new Move(mover, OLD_NAME, { timeoutMs: 50 }).failure();
        expect(errorName).toBe('org.bus1.Error.MigrationFailed');
        expect(text).toContain(
          `${OLD_NAME} was not moved: no program has requested it on the bridge`,
        );
        expect(text).toContain(`It is owned by ${old.uniqueName} (pid ${process.pid}`);
        callAndAnswer(client, OLD_NAME, old);
      });

      test('when the new owner does not answer: it is told that it has lost the name', () => {
        const [client, mover, service, old] = [pair.here(), pair.here(), pair.here(), pair.there()];
        takeName(old, OLD_NAME, ALLOW_REPLACEMENT);
        const move = new Move(mover, OLD_NAME, { timeoutMs: 300 });
        move.reached('waiting');
        expect(askForName(service, OLD_NAME)()).toBe(PRIMARY_OWNER);
        expect(move.failure().text).toMatch(/has not answered/);
        expect(service.receive(isSignal('NameLost')).body.at(-1)).toBe(OLD_NAME);
        callAndAnswer(client, OLD_NAME, old);
      });

      test('when the new owner dies', () => {
        const [client, mover, service, old] = [pair.here(), pair.here(), pair.here(), pair.there()];
        takeName(old, OLD_NAME, ALLOW_REPLACEMENT);
        const move = new Move(mover, OLD_NAME);
        move.reached('waiting');
        askForName(service, OLD_NAME)();
        service.close();
        expect(move.failure().text).toMatch(/the new owner has disconnected/);
        callAndAnswer(client, OLD_NAME, old);
        expect(old.callBus('ListQueuedOwners', 's', [OLD_NAME])).toEqual([[old.uniqueName]]);
      });

      test('when the new owner dies as it takes over: who was replaced is next', () => {
        const [client, mover, service, old] = [pair.here(), pair.here(), pair.here(), pair.there()];
        takeName(old, OLD_NAME, ALLOW_REPLACEMENT);
        callAndAnswer(client, OLD_NAME, old);
        const move = new Move(mover, OLD_NAME);
        move.reached('waiting');
        askForName(service, OLD_NAME)();
        answerPing(service);
        move.reached('switched');
        sendNumbers(client, OLD_NAME, 1, MANY);
        watch(client, service.uniqueName);
        service.close();
        client.receive(isGone(service.uniqueName));
        answerPing(old);
        const { text } = move.failure();
        expect(text).toMatch(/the new owner has disconnected/);
        expect(text).toContain(`It is owned by ${old.uniqueName}`);
        expect(numbersAt(old, client, OLD_NAME)).toEqual(numbers(1, MANY));
      });

      test('when the new owner dies as soon as it has it: who was replaced has it again', () => {
        const [client, mover, service, old] = [pair.here(), pair.here(), pair.here(), pair.there()];
        takeName(old, OLD_NAME, ALLOW_REPLACEMENT);
        callAndAnswer(client, OLD_NAME, old);
        const move = new Move(mover, OLD_NAME);
        move.reached('waiting');
        askForName(service, OLD_NAME)();
        answerPing(service);
        move.reached('switched');
        answerPing(old);
        service.receive(isCall('Ping'));
        service.close();
        expect(move.failure().text).toMatch(/the new owner disconnected at once/);
        callAndAnswer(client, OLD_NAME, old);
      });

      test('when the owner does not let go of it in time', () => {
        const [client, mover, service, old] = [pair.here(), pair.here(), pair.here(), pair.there()];
        takeName(old, OLD_NAME);
        const move = new Move(mover, OLD_NAME, { timeoutMs: 500 });
        move.reached('waiting');
        askForName(service, OLD_NAME)();
        answerPing(service);
        answerPing(old);
        move.reached('queued');
        expect(move.failure().text).toMatch(
          /does not allow replacement, and has not released it within 0\.5 s/,
        );
        callAndAnswer(client, OLD_NAME, old);
        service.callBus('GetId');
        expect(old.callBus('ListQueuedOwners', 's', [OLD_NAME])).toEqual([[old.uniqueName]]);
      });

      test('when whoever asked for that leaves', () => {
        const [client, mover, service, old] = [pair.here(), pair.here(), pair.here(), pair.there()];
        takeName(old, OLD_NAME);
        const move = new Move(mover, OLD_NAME);
        move.reached('waiting');
        askForName(service, OLD_NAME)();
        mover.close();
        expect(service.receive(isSignal('NameLost')).body.at(-1)).toBe(OLD_NAME);
        callAndAnswer(client, OLD_NAME, old);
      });
    });

    test('does not move when the old bus goes', async () => {
      const own = await RawPair.start(kind);
      const [mover, service, old] = [own.here(), own.here(), own.there()];
      takeName(old, OLD_NAME);
      const move = new Move(mover, OLD_NAME);
      move.reached('waiting');
      askForName(service, OLD_NAME)();
      answerPing(service);
      answerPing(old);
      move.reached('queued');
      await own.old.kill();
      expect(move.failure().text).toContain(`the bus at ${own.old.address} is gone`);
      expect(service.receive(isSignal('NameLost')).body.at(-1)).toBe(OLD_NAME);
      await own.stop();
    });

    describe('is refused', () => {
      test('to a second client that asks for it, with both owners', () => {
        const [mover, service, rival, old] = [pair.here(), pair.here(), pair.here(), pair.there()];
        takeName(old, OLD_NAME, ALLOW_REPLACEMENT);
        const move = new Move(mover, OLD_NAME);
        move.reached('waiting');
        askForName(service, OLD_NAME)();
        expect(() => takeName(rival, OLD_NAME)).toThrow(ErrorReply);
        expect(() => takeName(rival, OLD_NAME)).toThrow(
          `cannot own ${OLD_NAME}: on the bus at ${pair.old.address} it is owned by ${old.uniqueName}`,
        );
        answerPing(service);
        answerPing(old);
        answerPing(service);
        move.result();
        callAndAnswer(rival, OLD_NAME, service);
      });

      test('when it is being moved already', () => {
        const [one, other, old] = [pair.here(), pair.here(), pair.there()];
        takeName(old, OLD_NAME);
        new Move(one, OLD_NAME).reached('waiting');
        expect(new Move(other, OLD_NAME).failure().text).toBe(`${OLD_NAME} is already being moved`);
      });

      test('when nobody owns it, or somebody here does', () => {
        expect(new Move(pair.here(), OLD_NAME).failure().text).toMatch(
          /it has no owner on the other bus/,
        );
        const service = pair.newService();
        const { text } = new Move(pair.here(), 'org.example.New').failure();
        expect(text).toContain(`${service.uniqueName} (pid ${process.pid}`);
        expect(text).toMatch(/on the bridge owns it already/);
      });

      test.each(['org.freedesktop.DBus', ':1.1', 'nonsense'])('for %s', (name) => {
        expect(new Move(pair.here(), name).failure().text).toBe(
          `"${name}" is not a name that can be moved`,
        );
      });
    });
  });
});
