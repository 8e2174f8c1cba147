// What both sides see of each other: who is who, what comes, how often, and in which order.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { MessageFlag, MessageType, type Variant } from '#bridge/wire/types.js';
import { describeWith } from '../support/software.js';
import { OLD_BUSES, OLD_BUS_SOFTWARE } from './old-bus.js';
import {
  addMatch,
  callAndAnswer,
  DRIVER,
  emit,
  INTERFACE,
  isCall,
  isGone,
  isOwned,
  isSignal,
  NEW_NAME,
  OLD_NAME,
  RawPair,
  settle,
  watch,
} from './raw-pair.js';

const FROM_INTERFACE = `type='signal',interface='${INTERFACE}'`;

/* Names are asked for one by one over there; of patterns the bridge has to find out what matches. */
const ROWS = OLD_BUSES.flatMap((kind) => [
  { kind, imported: OLD_NAME },
  { kind, imported: `${OLD_NAME}.*` },
]);

describe.each(ROWS)('beside $kind, importing $imported', ({ kind, imported }) => {
  describeWith(OLD_BUS_SOFTWARE[kind], 'a bridge', () => {
    let pair: RawPair;
    beforeAll(async () => {
      pair = await RawPair.start(kind, { imports: [imported] });
    });
    afterEach(() => pair.closeClients());
    afterAll(() => pair.stop());

    test('each client has one connection of its own over there, which ends with it', () => {
      const [first, second] = [pair.here(), pair.here()];
      const service = pair.oldService(first);
      const senders = [first, second, first].map(
        (client) => callAndAnswer(client, OLD_NAME, service).sender!,
      );
      expect(senders[0]).toBe(senders[2]);
      expect(senders[0]).not.toBe(senders[1]);
      watch(service, senders[1]);
      second.close();
      service.receive(isGone(senders[1]));
      expect(service.callBus('NameHasOwner', 's', [senders[0]])).toEqual([true]);
    });

    test('each caller from there is a peer of its own here, with its own credentials, until it leaves', () => {
      const service = pair.newService();
      const [first, second] = [pair.there(), pair.there()];
      const senders = [first, second, first].map(
        (client) => callAndAnswer(client, NEW_NAME, service).sender!,
      );
      expect(senders[0]).toBe(senders[2]);
      expect(senders[0]).not.toBe(senders[1]);
      const [credentials] = service.callBus('GetConnectionCredentials', 's', [senders[0]]);
      const entries = credentials as Map<string, Variant>;
      expect(entries.get('ProcessID')?.value).toBe(process.pid);
      watch(service, senders[1]);
      second.close();
      service.receive(isGone(senders[1]));
    });

    test('a message names its sender and its addressee as this bus knows them', () => {
      const client = pair.here();
      const service = pair.oldService(client);
      const [owner] = client.callBus('GetNameOwner', 's', [OLD_NAME]);
      const serial = client.startCall({
        destination: owner as string,
        interface: INTERFACE,
        member: 'Ask',
      });
      const call = service.receive(isCall('Ask'));
      expect(call.destination).toBe(service.uniqueName);
      service.reply(call);
      expect(client.replyTo(serial)).toMatchObject({
        sender: owner,
        destination: client.uniqueName,
      });
    });

    test('a caller is called back by its unique name, and answers', () => {
      const service = pair.newService();
      const caller = pair.there();
      const { sender } = callAndAnswer(caller, NEW_NAME, service);
      const serial = service.startCall({
        destination: sender,
        interface: INTERFACE,
        member: 'Back',
      });
      const back = caller.receive(isCall('Back'));
      caller.reply(back, 's', ['here']);
      expect(service.replyTo(serial)).toMatchObject({ sender, body: ['here'] });
    });

    test.each([
      { flag: 'NO_AUTO_START', flags: MessageFlag.NoAutoStart },
      { flag: 'ALLOW_INTERACTIVE_AUTHORIZATION', flags: MessageFlag.AllowInteractiveAuthorization },
      { flag: 'NO_REPLY_EXPECTED', flags: MessageFlag.NoReplyExpected },
    ])('the flag $flag arrives on both sides', ({ flags }) => {
      const client = pair.here();
      const oldService = pair.oldService(client);
      const newService = pair.newService();
      const fields = { interface: INTERFACE, member: 'Flagged', flags };
      client.startCall({ ...fields, destination: OLD_NAME });
      expect(oldService.receive(isCall('Flagged')).flags).toBe(flags);
      pair.there().startCall({ ...fields, destination: NEW_NAME });
      expect(newService.receive(isCall('Flagged')).flags).toBe(flags);
    });

    test('with NO_AUTO_START an imported name without owner does not exist', () => {
      const client = pair.here();
      const flags = MessageFlag.NoAutoStart;
      const serial = client.startCall({
        destination: OLD_NAME,
        interface: INTERFACE,
        member: 'Ask',
        flags,
      });
      expect(client.replyTo(serial).errorName).toBe('org.freedesktop.DBus.Error.NameHasNoOwner');
    });

    test('calls to a name that nobody provides get the error of the other bus', () => {
      const client = pair.here();
      const serial = client.startCall({
        destination: OLD_NAME,
        interface: INTERFACE,
        member: 'Ask',
      });
      expect(client.replyTo(serial).errorName).toBe('org.freedesktop.DBus.Error.ServiceUnknown');
    });

    test('a broadcast comes once, to those who asked for it', () => {
      const [listener, deaf] = [pair.here(), pair.here()];
      const service = pair.oldService(listener);
      addMatch(listener, FROM_INTERFACE);
      addMatch(listener, `type='signal',sender='${OLD_NAME}'`);
      addMatch(listener, `type='signal',sender='${OLD_NAME}',member='Broadcast'`);
      emit(service, 'Broadcast');
      expect(settle(listener, OLD_NAME, service).filter(isSignal('Broadcast'))).toHaveLength(1);
      expect(settle(deaf, OLD_NAME, service).filter(isSignal('Broadcast'))).toEqual([]);
    });

    test('a rule that was removed is removed over there', () => {
      const listener = pair.here();
      const service = pair.oldService(listener);
      /* many times, because the other bus may be slower than the service */
      for (let i = 0; i < 20; i++) {
        addMatch(listener, FROM_INTERFACE);
        listener.callBus('RemoveMatch', 's', [FROM_INTERFACE]);
        emit(service, 'Unwanted');
        service.callBus('GetId');
      }
      expect(settle(listener, OLD_NAME, service).filter(isSignal('Unwanted'))).toEqual([]);
    });

    test('a broadcast of a client that owns no imported name stays where it is', () => {
      const listener = pair.here();
      const service = pair.oldService(listener);
      const stranger = pair.there();
      addMatch(listener, FROM_INTERFACE);
      emit(stranger, 'Strange');
      stranger.callBus('GetId');
      expect(settle(listener, OLD_NAME, service).filter(isSignal('Strange'))).toEqual([]);
    });

    test('a broadcast of an exported service comes once on either side, and not back', () => {
      const service = pair.newService();
      const [here, there] = [pair.here(), pair.there()];
      pair.oldService(here);
      addMatch(here, FROM_INTERFACE);
      addMatch(there, FROM_INTERFACE);
      addMatch(service, FROM_INTERFACE);
      emit(service, 'News');
      const [owner] = there.callBus('GetNameOwner', 's', [NEW_NAME]);
      expect(there.receive(isSignal('News')).sender).toBe(owner);
      for (const client of [here, service]) {
        expect(client.receive(isSignal('News')).sender).toBe(service.uniqueName);
      }
      settle(there, NEW_NAME, service);
      for (const client of [here, there, service]) {
        client.callBus('GetId');
        expect(client.receiveWaiting().filter(isSignal('News'))).toEqual([]);
      }
    });

    test('directed signals pass both ways though no rule asks for them', () => {
      const client = pair.here();
      const service = pair.oldService(client);
      const { sender } = callAndAnswer(client, OLD_NAME, service);
      emit(service, 'ForYou', sender);
      const [owner] = client.callBus('GetNameOwner', 's', [OLD_NAME]);
      const signal = client.receive(isSignal('ForYou'));
      expect(signal).toMatchObject({ sender: owner, destination: client.uniqueName });
      emit(client, 'ForYouToo', OLD_NAME);
      expect(service.receive(isSignal('ForYouToo'))).toMatchObject({
        sender,
        destination: OLD_NAME,
      });
    });

    test('what a service says comes in order: signal, reply, signal', () => {
      const client = pair.here();
      const service = pair.oldService(client);
      addMatch(client, FROM_INTERFACE);
      client.receiveWaiting();
      for (let i = 0; i < 50; i++) {
        const serial = client.startCall({
          destination: OLD_NAME,
          interface: INTERFACE,
          member: 'Ask',
        });
        const call = service.receive(isCall('Ask'));
        emit(service, 'Before');
        service.reply(call);
        emit(service, 'After');
        const order = [client.receive(), client.receive(), client.receive()];
        expect(order.map(({ member, replySerial }) => member ?? replySerial)).toEqual([
          'Before',
          serial,
          'After',
        ]);
      }
    });

    test('a service is on the bus before it is heard, and heard to its last word', () => {
      const client = pair.here();
      addMatch(client, FROM_INTERFACE);
      watch(client, OLD_NAME);
      client.receiveWaiting();
      for (let i = 0; i < 100; i++) {
        const service = pair.there();
        service.startCall(
          {
            destination: DRIVER,
            path: '/',
            interface: DRIVER,
            member: 'RequestName',
            signature: 'su',
          },
          [OLD_NAME, 0],
        );
        emit(service, 'Hello');
        emit(service, 'Goodbye');
        service.callBus('GetId');
        service.close();
        const heard = [client.receive(), client.receive(), client.receive(), client.receive()];
        expect(heard.map(({ member }) => member)).toEqual([
          'NameOwnerChanged',
          'Hello',
          'Goodbye',
          'NameOwnerChanged',
        ]);
      }
    });

    test('a service that answers and leaves has answered', () => {
      const client = pair.here();
      for (let i = 0; i < 20; i++) {
        const service = pair.oldService(client);
        const serial = client.startCall({
          destination: OLD_NAME,
          interface: INTERFACE,
          member: 'Ask',
        });
        service.reply(service.receive(isCall('Ask')), 's', ['last']);
        service.close();
        expect(client.replyTo(serial).body).toEqual(['last']);
        client.receive(isGone(OLD_NAME));
      }
    });

    test('a call whose service leaves without an answer ends with NoReply, both ways', () => {
      const client = pair.here();
      const oldService = pair.oldService(client);
      const toOld = client.startCall({
        destination: OLD_NAME,
        interface: INTERFACE,
        member: 'Ask',
      });
      oldService.receive(isCall('Ask'));
      oldService.close();
      expect(client.replyTo(toOld).errorName).toBe('org.freedesktop.DBus.Error.NoReply');
      const newService = pair.newService();
      const caller = pair.there();
      const toNew = caller.startCall({
        destination: NEW_NAME,
        interface: INTERFACE,
        member: 'Ask',
      });
      newService.receive(isCall('Ask'));
      newService.close();
      expect(caller.replyTo(toNew).errorName).toBe('org.freedesktop.DBus.Error.NoReply');
    });

    test.each([
      { way: 'from here', name: OLD_NAME },
      { way: 'from there', name: NEW_NAME },
    ])('NoReply comes after the news that the service has left, $way', ({ name }) => {
      const isFromHere = name === OLD_NAME;
      for (let i = 0; i < 10; i++) {
        const client = isFromHere ? pair.here() : pair.there();
        /* the news waits until each of them has been given what the service sent */
        for (let j = 0; j < 3; j++) addMatch(pair.here(), FROM_INTERFACE);
        const service = isFromHere ? pair.oldService(client) : pair.newService();
        watch(client, name);
        const call = { destination: name, interface: INTERFACE, member: 'Ask' };
        const serial = client.startCall(call);
        service.receive(isCall('Ask'));
        service.close();
        const isNews = isGone(name);
        const first = client.receive((each) => isNews(each) || each.replySerial === serial);
        expect(first.member).toBe('NameOwnerChanged');
        expect(client.replyTo(serial).errorName).toBe('org.freedesktop.DBus.Error.NoReply');
      }
    });

    test('what a client said before it left arrives, even as its first words', () => {
      const witness = pair.here();
      const service = pair.oldService(witness);
      const client = pair.here();
      client.startCall({ destination: OLD_NAME, interface: INTERFACE, member: 'Last', flags: 1 });
      client.callBus('GetId');
      client.close();
      expect(service.receive(isCall('Last')).destination).toBe(OLD_NAME);
    });

    test('a name that passes from one owner to another is never without one', () => {
      const client = pair.here();
      const first = pair.there();
      const second = pair.there();
      watch(client, OLD_NAME);
      first.callBus('RequestName', 'su', [OLD_NAME, 1]);
      client.receive(isOwned(OLD_NAME));
      const [before] = client.callBus('GetNameOwner', 's', [OLD_NAME]);
      second.callBus('RequestName', 'su', [OLD_NAME, 2]);
      const change = client.receive(isOwned(OLD_NAME));
      expect(change.body.slice(0, 2)).toEqual([OLD_NAME, before]);
      expect(callAndAnswer(client, OLD_NAME, second).destination).toBe(OLD_NAME);
    });

    test('a monitor behind the bridge sees every message once', () => {
      const client = pair.here();
      const service = pair.oldService(client);
      const other = pair.here();
      for (const each of [client, other]) addMatch(each, FROM_INTERFACE);
      const monitor = pair.here();
      monitor.call(
        {
          destination: DRIVER,
          path: '/org/freedesktop/DBus',
          interface: `${DRIVER}.Monitoring`,
          member: 'BecomeMonitor',
          signature: 'asu',
        },
        [[], 0],
      );
      emit(service, 'Watched');
      settle(client, OLD_NAME, service);
      settle(other, OLD_NAME, service);
      const seen = monitor.receiveWaiting();
      expect(seen.filter(isSignal('Watched'))).toHaveLength(1);
      expect(seen.filter(isCall('Ask'))).toHaveLength(2);
      const replies = seen.filter(
        ({ type, body }) => type === MessageType.MethodReturn && body[0] === 'answer',
      );
      expect(replies.map(({ destination }) => destination)).toEqual([
        client.uniqueName,
        other.uniqueName,
      ]);
    });
  });
});
