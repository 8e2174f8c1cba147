// Every place where a message of a native peer can arrive, every kind of forgery, every type of message: what is forged
// does not arrive, or not in the name that it claims. Needs a domain.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { Calls } from '#bridge/client/calls.js';
import type { HeldHandle } from '#bridge/client/held-handle.js';
import type { IncomingCall } from '#bridge/client/incoming-call.js';
import { implement, join, type Bus } from '#bridge/client/index.js';
import { encodeMessage, type MessageFields } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import { Message, type Handle, type Peer } from '#core/index.js';
import { withField } from '../differential/damage.js';
import { BusWithHosts } from '../hosts/bus-with-hosts.js';
import { openFolder } from '../support/bus-command.js';
import { RawClient } from '../support/raw-client.js';

const LEGACY = 'org.example.Legacy';
const NATIVE = 'org.example.Native';
const STARTING = 'org.example.Starting';
const MAPPED = 'org.example.Mapped';
const IFACE = 'org.example.Test';
const DRIVER = 'org.freedesktop.DBus';
const MAPPING = `
service: Mapped
bus: session
names: { ${MAPPED}: thing }
objects: { thing: { path: /, interfaces: [${IFACE}] } }
interfaces: { ${IFACE}: {} }
`;
/** Field code 200, a UINT32. */
const UNKNOWN_FIELD = [200, 1, 0x75, 0, 1, 2, 3, 4];

const TYPES = [
  ['call', MessageType.MethodCall],
  ['return', MessageType.MethodReturn],
  ['error', MessageType.Error],
  ['signal', MessageType.Signal],
  ['message of unknown type', 5],
] as const;

/** Who is there, by unique name. */
interface Cast {
  readonly attacker: string;
  readonly victim: string;
  readonly bystander: string;
}

type Change = (fields: MessageFields, cast: Cast) => MessageFields;

/** What is done to a message that is right, before it is encoded or afterwards. */
const FORGERIES: readonly (readonly [string, Change, ((bytes: Uint8Array) => Uint8Array)?])[] = [
  ['nothing forged', (fields) => fields],
  ['the sender is the bus', (fields) => ({ ...fields, sender: DRIVER })],
  ['the sender is a bystander', (fields, { bystander: sender }) => ({ ...fields, sender })],
  ['the sender is the receiver', (fields, { victim: sender }) => ({ ...fields, sender })],
  ['there is no sender', (fields) => ({ ...fields, sender: undefined })],
  ['it is for a bystander', (fields, { bystander: destination }) => ({ ...fields, destination })],
  ['it is for nobody', (fields) => ({ ...fields, destination: undefined })],
  ['it answers another call', (fields) => ({ ...fields, replySerial: 0x7ffffff0 })],
  ['descriptors that did not come', (fields) => ({ ...fields, unixFds: 1 })],
  ['an unknown field', (fields) => fields, (bytes) => withField(bytes, UNKNOWN_FIELD)],
  ['a body that is cut off', (fields) => fields, (bytes) => bytes.slice(0, -1)],
];

/** What the library has sent last, and how: nothing else leads to the handles behind names. */
let target: HeldHandle;
let attackersPeer: Peer;
/** takes the place of the answer to the next call */
let answer: ((handle: Handle, call: IncomingCall) => void) | undefined;
const { prototype } = Calls;
const compose = Reflect.get(prototype, 'compose') as (...args: unknown[]) => void;
const reply = Reflect.get(prototype, 'reply') as (...args: unknown[]) => void;

function spy(): void {
  Reflect.set(prototype, 'compose', function (this: Calls, to: HeldHandle, ...more: unknown[]) {
    target = to;
    attackersPeer = peerOf(this);
    compose.call(this, to, ...more);
  });
  prototype.reply = function (this: Calls, call, handle, ...more): void {
    const instead = answer;
    answer = undefined;
    if (instead === undefined) return reply.call(this, call, handle, ...more);
    attackersPeer = peerOf(this);
    return instead(handle, call);
  };
}

function peerOf(calls: Calls): Peer {
  return (Reflect.get(calls, 'member') as { readonly peer: Peer }).peer;
}

/** Sends bytes as they are. */
function sendRaw(handle: Handle, bytes: Uint8Array): void {
  const message = new Message();
  message.addPiece(bytes, 0, bytes.length);
  attackersPeer.send(handle, message);
}

function forged(
  type: number,
  [, change, damage]: (typeof FORGERIES)[number],
  cast: Cast,
  more: Partial<MessageFields>,
): Uint8Array {
  const isAnswer = type === MessageType.MethodReturn || type === MessageType.Error;
  const right: MessageFields = {
    type,
    serial: 4711,
    flags: MessageFlag.NoReplyExpected,
    sender: cast.attacker,
    signature: 's',
    ...(isAnswer
      ? { replySerial: 1, errorName: type === MessageType.Error ? 'a.b.Error' : undefined }
      : { path: '/', interface: IFACE, member: 'Forged' }),
    ...more,
  };
  const bytes = encodeMessage(change(right, cast), ['forged']);
  return damage === undefined ? bytes : damage(bytes);
}

const CASES = FORGERIES.flatMap((forgery) =>
  TYPES.map(([what, type]) => ({ title: `${forgery[0]}, ${what}`, type, forgery })),
);
const isRight = (type: number, forgery: string): boolean =>
  forgery === 'nothing forged' && (type === MessageType.MethodCall || type === MessageType.Signal);

describe.each([1, 2])('on a bus with %i host(s)', (hosts) => {
  const data = openFolder('forgery-');
  let bridge: BusWithHosts;
  let attacker: Bus;
  let victim: RawClient;
  let bystander: RawClient;
  let native: Bus;
  let heard: { member: string; sender: string | undefined }[] = [];

  beforeAll(async () => {
    spy();
    mkdirSync(joinPath(data, 'services'));
    const service = `[D-BUS Service]\nName=${STARTING}\nExec=/bin/sleep 1000\n`;
    writeFileSync(joinPath(data, 'services', `${STARTING}.service`), service);
    const config = joinPath(data, 'bus.conf');
    writeFileSync(
      config,
      `<busconfig><type>session</type><servicedir>${data}/services</servicedir>
      <policy context="default"><allow user="*"/><allow own="*"/>
      <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy></busconfig>`,
    );
    const mapping = joinPath(data, 'mapped.yaml');
    writeFileSync(mapping, MAPPING);
    bridge = await BusWithHosts.start(hosts, ['--config', config, '--mapping', mapping]);
    bystander = RawClient.open(bridge.address);
    victim = RawClient.open(bridge.address);
    for (const name of [LEGACY, MAPPED]) victim.callBus('RequestName', 'su', [name, 0]);
    native = await join({ address: bridge.address });
    const note = (member: string) => (_value: unknown, call: { sender: string | undefined }) => {
      heard.push({ member, sender: call.sender });
    };
    const methods = { Forged: { in: 's', out: '' }, Marker: { in: 's', out: '' } };
    native.serve(
      '/',
      implement(
        { name: IFACE, methods, signals: {}, properties: {} },
        {
          methods: { Forged: note('Forged'), Marker: note('Marker') },
        },
      ),
    );
    await native.requestName(NATIVE);
  });
  afterAll(async () => {
    Reflect.set(prototype, 'compose', compose);
    Reflect.set(prototype, 'reply', reply);
    native.close();
    for (const client of [victim, bystander]) client.close();
    await bridge.stop();
  });
  beforeEach(async () => {
    attacker = await join({ address: bridge.address });
    victim.receiveWaiting();
    bystander.receiveWaiting();
    heard = [];
    return () => attacker.close();
  });

  /** A message that is right, behind which everything forged has arrived or never will. */
  const mark = (destination: string) =>
    attacker.call({
      destination,
      path: '/',
      interface: IFACE,
      member: 'Marker',
      signature: 's',
      body: [''],
      noReply: true,
    });
  const cast = (receiver: string): Cast => ({
    attacker: attacker.uniqueName,
    victim: receiver,
    bystander: bystander.uniqueName,
  });

  /** Nobody but the receiver of a message may get it, and the bus answers as before. */
  function expectPeace(): void {
    expect(bystander.callBus('GetNameOwner', 's', [LEGACY])).toEqual([victim.uniqueName]);
    expect(bystander.receiveWaiting()).toEqual([]);
  }

  describe.each([
    ['the name of a client on a socket', () => LEGACY],
    ['its unique name', () => victim.uniqueName],
  ])('%s', (_title, name) => {
    test.each(CASES)('$title', async ({ type, forgery }) => {
      await mark(name());
      const handle = target.use();
      sendRaw(handle, forged(type, forgery, cast(victim.uniqueName), { destination: name() }));
      await mark(name());
      victim.receive(({ member }) => member === 'Marker');
      const between: unknown[] = [];
      for (let message = victim.receive(); message.member !== 'Marker'; message = victim.receive())
        between.push(message);
      const sound = { type, member: 'Forged', sender: attacker.uniqueName };
      expect(between).toMatchObject(isRight(type, forgery[0]) ? [sound] : []);
      expectPeace();
    });
  });

  test.each(CASES)('an object of a client, by way of a mapping: $title', async (row) => {
    const { type, forgery } = row;
    await mark(MAPPED);
    const handle = target.use();
    sendRaw(handle, forged(type, forgery, cast(victim.uniqueName), { destination: MAPPED }));
    await mark(MAPPED);
    victim.receive(({ member }) => member === 'Marker');
    const between: unknown[] = [];
    for (let message = victim.receive(); message.member !== 'Marker'; message = victim.receive())
      between.push(message);
    /* the mapping says to whom it goes, whatever the message says */
    const isForObject = ['it is for a bystander', 'it is for nobody'].includes(forgery[0]);
    const sound = { type, member: 'Forged', sender: attacker.uniqueName, destination: MAPPED };
    const passes = isRight(type, isForObject ? 'nothing forged' : forgery[0]);
    expect(between).toMatchObject(passes ? [sound] : []);
    expectPeace();
  });

  test.each(CASES)('where a client on a socket waits for an answer: $title', async (row) => {
    const { type, forgery } = row;
    attacker.serve(
      '/',
      implement(
        { name: IFACE, methods: { Ask: { in: '', out: '' } }, signals: {}, properties: {} },
        { methods: { Ask: () => undefined } },
      ),
    );
    const isOver = new Promise<void>((resolve) => {
      answer = (handle, call) => {
        const more = { destination: victim.uniqueName };
        const isAnswer = type === MessageType.MethodReturn || type === MessageType.Error;
        const right = isAnswer ? { ...more, replySerial: call.serial } : more;
        sendRaw(handle, forged(type, forgery, cast(victim.uniqueName), right));
        resolve();
      };
    });
    const ask = { destination: attacker.uniqueName, path: '/', interface: IFACE, member: 'Ask' };
    const serial = victim.startCall(ask);
    await isOver;
    /* it has been sent */
    await attacker.call({ destination: DRIVER, path: '/', interface: DRIVER, member: 'GetId' });
    const got = victim.replyTo(serial);
    const passes =
      forgery[0] === 'nothing forged' || forgery[0] === 'it is for nobody'
        ? type === MessageType.MethodReturn || type === MessageType.Error
        : false;
    expect(got).toMatchObject(
      passes
        ? { type, sender: attacker.uniqueName, body: ['forged'] }
        : { sender: DRIVER, errorName: `${DRIVER}.Error.NoReply` },
    );
    expectPeace();
  });

  describe.each([
    ['the name of a native peer', () => NATIVE],
    ['its unique name', () => native.uniqueName],
  ])('%s', (_title, name) => {
    test.each(CASES)('$title', async ({ type, forgery }) => {
      await mark(name());
      const handle = target.use();
      sendRaw(handle, forged(type, forgery, cast(native.uniqueName), { destination: name() }));
      await attacker.call({
        destination: name(),
        path: '/',
        interface: IFACE,
        member: 'Marker',
        signature: 's',
        body: [''],
      });
      const said = heard.filter(({ member }) => member === 'Forged');
      if (type !== MessageType.MethodCall) said.push({ member: 'none', sender: undefined });
      /* a claim that the bus does not back is no sender */
      const senders = [attacker.uniqueName, undefined];
      expect(senders).toEqual(expect.arrayContaining(said.map((each) => each.sender)));
      expect(heard.filter(({ member }) => member === 'Marker')).toHaveLength(2);
      expectPeace();
    });
  });

  test.each(CASES)('where messages wait for a service to start: $title', async (row) => {
    const { type, forgery } = row;
    await mark(STARTING);
    const handle = target.use();
    const more = { destination: STARTING };
    sendRaw(handle, forged(type, forgery, cast(':1.99999'), more));
    await mark(STARTING);
    await attacker.call({ destination: DRIVER, path: '/', interface: DRIVER, member: 'GetId' });
    const service = RawClient.open(bridge.address);
    const serial = service.startCall(
      { destination: DRIVER, path: '/', interface: DRIVER, member: 'RequestName', signature: 'su' },
      [STARTING, 4],
    );
    expect(service.replyTo(serial)).toMatchObject({ sender: DRIVER, body: [1] });
    service.receive(({ member }) => member === 'Marker');
    const between: unknown[] = [];
    for (let message = service.receive(); message.member !== 'Marker'; message = service.receive())
      if (message.member !== 'NameAcquired') between.push(message);
    const sound = { type, member: 'Forged', sender: attacker.uniqueName };
    expect(between).toMatchObject(isRight(type, forgery[0]) ? [sound] : []);
    service.close();
    expectPeace();
  });

  test.each(CASES)('the bus itself: $title', async ({ type, forgery }) => {
    await attacker.call({ destination: DRIVER, path: '/', interface: DRIVER, member: 'GetId' });
    const handle = target.use();
    sendRaw(handle, forged(type, forgery, cast(DRIVER), { destination: DRIVER }));
    await attacker
      .call({ destination: DRIVER, path: '/', interface: DRIVER, member: 'GetId' })
      .catch(() => undefined);
    expect(victim.receiveWaiting().filter(({ member }) => member === 'Forged')).toEqual([]);
    expectPeace();
  });
});
