// A name has one owner on both buses together.
import { readlinkSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ErrorReply, type RawClient } from '../support/raw-client.js';
import { describeWith } from '../support/software.js';
import { OLD_BUSES, OLD_BUS_SOFTWARE } from './old-bus.js';
import {
  callAndAnswer,
  isGone,
  isOwned,
  NEW_NAME,
  OLD_NAME,
  RawPair,
  takeName,
  watch,
} from './raw-pair.js';

const ALLOW_REPLACEMENT = 1;
const REPLACE_EXISTING = 2;
const DO_NOT_QUEUE = 4;
const PRIMARY_OWNER = 1;
const IN_QUEUE = 2;
const EXISTS = 3;

/** This process, as errors name it. */
const US = `pid ${process.pid}, ${readlinkSync('/proc/self/exe')}`;

function refusalOf(client: RawClient, name: string, flags = 0): ErrorReply {
  try {
    takeName(client, name, flags);
  } catch (error) {
    if (error instanceof ErrorReply) return error;
    throw error;
  }
  throw new Error(`${name} was not refused`);
}

describe.each(OLD_BUSES)('beside %s', (kind) => {
  describeWith(OLD_BUS_SOFTWARE[kind], 'a name', () => {
    let pair: RawPair;
    beforeAll(async () => {
      pair = await RawPair.start(kind);
    });
    afterEach(() => pair.closeClients());
    afterAll(() => pair.stop());

    test.each([0, REPLACE_EXISTING])(
      'that is exported and owned over there is refused here, with both owners (flags %i)',
      (flags) => {
        const [owner, client] = [pair.there(), pair.here()];
        takeName(owner, NEW_NAME);
        const { errorName, message } = refusalOf(client, NEW_NAME, flags);
        expect(errorName).toBe('org.bus1.Error.NameClash');
        expect(message).toContain(`${client.uniqueName} (${US}) cannot own ${NEW_NAME}`);
        expect(message).toContain(`owned by ${owner.uniqueName} (${US})`);
        expect(client.callBus('NameHasOwner', 's', [NEW_NAME])).toEqual([false]);
        expect(owner.callBus('ListQueuedOwners', 's', [NEW_NAME])).toEqual([[owner.uniqueName]]);
      },
    );

    test.each([
      { which: 'exported', name: NEW_NAME, flags: DO_NOT_QUEUE },
      { which: 'exported', name: NEW_NAME, flags: DO_NOT_QUEUE | REPLACE_EXISTING },
      { which: 'imported', name: OLD_NAME, flags: DO_NOT_QUEUE },
      { which: 'imported', name: OLD_NAME, flags: DO_NOT_QUEUE | REPLACE_EXISTING },
    ])(
      'that is $which and owned over there exists for who does not want to queue (flags $flags), and can be called',
      ({ name, flags }) => {
        const [owner, client] = [pair.there(), pair.here()];
        watch(client, name);
        takeName(owner, name);
        if (name === OLD_NAME) client.receive(isOwned(name));
        expect(takeName(client, name, flags)).toBe(EXISTS);
        expect(client.callBus('GetNameOwner', 's', [name])).toEqual([owner.uniqueName]);
        expect(callAndAnswer(client, name, owner).destination).toBe(name);
        owner.callBus('ReleaseName', 's', [name]);
        client.receive(isGone(name));
      },
    );

    test('that is imported and owned over there is refused here, with both owners', () => {
      const client = pair.here();
      const owner = pair.oldService(client);
      const { errorName, message } = refusalOf(client, OLD_NAME);
      expect(errorName).toBe('org.bus1.Error.NameClash');
      expect(message).toContain(`${client.uniqueName} (${US}) cannot own ${OLD_NAME}`);
      expect(message).toContain(`owned by ${owner.uniqueName} (${US})`);
    });

    test('that is exported and owned here is taken over there', () => {
      const service = pair.newService();
      const client = pair.there();
      expect(takeName(client, NEW_NAME)).toBe(IN_QUEUE);
      expect(callAndAnswer(pair.there(), NEW_NAME, service).destination).toBe(NEW_NAME);
    });

    test('that is released here is released there, and the other way round when it is lost', () => {
      const service = pair.here();
      expect(takeName(service, NEW_NAME, ALLOW_REPLACEMENT)).toBe(PRIMARY_OWNER);
      watch(service, NEW_NAME);
      const rival = pair.there();
      expect(takeName(rival, NEW_NAME, REPLACE_EXISTING)).toBe(PRIMARY_OWNER);
      service.receive(isGone(NEW_NAME));
      rival.callBus('ReleaseName', 's', [NEW_NAME]);
      takeName(service, NEW_NAME);
      watch(rival, NEW_NAME);
      service.callBus('ReleaseName', 's', [NEW_NAME]);
      rival.receive(isGone(NEW_NAME));
    });

    test('that is lost there is not given back there alone', () => {
      const [service, rival, outsider] = [pair.here(), pair.there(), pair.there()];
      takeName(service, NEW_NAME, ALLOW_REPLACEMENT);
      watch(service, NEW_NAME);
      takeName(rival, NEW_NAME, REPLACE_EXISTING);
      service.receive(isGone(NEW_NAME));
      watch(outsider, NEW_NAME);
      rival.close();
      expect(outsider.receive(isGone(NEW_NAME)).body).toEqual([NEW_NAME, rival.uniqueName, '']);
    });

    test('has its queue on both buses: who waits here is next there', () => {
      const [first, second, outsider] = [pair.here(), pair.here(), pair.there()];
      expect(takeName(first, NEW_NAME)).toBe(PRIMARY_OWNER);
      expect(takeName(second, NEW_NAME)).toBe(IN_QUEUE);
      callAndAnswer(outsider, NEW_NAME, first);
      const [before] = outsider.callBus('GetNameOwner', 's', [NEW_NAME]);
      watch(outsider, NEW_NAME);
      first.close();
      const change = outsider.receive(
        ({ member, body }) => member === 'NameOwnerChanged' && body[0] === NEW_NAME,
      );
      expect(change.body[1]).toBe(before);
      expect(change.body[2]).not.toBe('');
      callAndAnswer(outsider, NEW_NAME, second);
    });

    test('is replaced on both buses', () => {
      const [first, second, outsider] = [pair.here(), pair.here(), pair.there()];
      takeName(first, NEW_NAME, ALLOW_REPLACEMENT);
      expect(takeName(second, NEW_NAME, REPLACE_EXISTING)).toBe(PRIMARY_OWNER);
      callAndAnswer(outsider, NEW_NAME, second);
    });

    test('that is neither imported nor exported belongs to each bus by itself', () => {
      const [here, there] = [pair.here(), pair.there()];
      expect(takeName(here, 'org.example.Private')).toBe(PRIMARY_OWNER);
      expect(takeName(there, 'org.example.Private')).toBe(PRIMARY_OWNER);
    });
  });
});
