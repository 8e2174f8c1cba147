// Signals that a service sends before anybody could ask for them wait for whoever was given the object.
import { join as joinPath } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Capability, implement, type Bus } from '#bridge/client/index.js';
import { watchNames } from '../support/names.js';
import { Bridge, call, gone, KEEPER, listenTo } from './bridge.js';
import { Desk, NAME, PATH, REQUEST } from './desk.js';
import { figuresAtRest } from './figures.js';

const ASK = 'org.example.Desk.Ask';
const PING = 'org.freedesktop.DBus.Peer.Ping';
const ERROR = 'org.freedesktop.DBus.Error';

let bridge: Bridge;
let desk: Desk;
let bus: Bus;
let handle: Capability;

beforeEach(async () => {
  bridge = await Bridge.start('--mapping', joinPath(import.meta.dirname, 'kept.yaml'));
  desk = await Desk.start(bridge.address);
  bus = await bridge.native();
  handle = await bus.resolve(NAME);
});

afterEach(async () => {
  const names = await watchNames(desk.bus);
  bus.close();
  await names.gone(bus.uniqueName);
  desk.stop();
  await bridge.stop();
});

/** What the desk says when it is asked; `answer` is where the handle is handed out. */
type Script = (answer: Uint8Array, caller: string) => readonly Uint8Array[];
const onlyAnswer: Script = (answer) => [answer];

/** Asks, and has the desk say all of `script` in one write. */
async function ask(script: Script, id = 'one', of = handle): Promise<Capability> {
  const request = call(of, ASK);
  const asked = await desk.asked();
  desk.say(...script(desk.answer(asked, id), asked.sender));
  return (await request) as Capability;
}

/** Returns when all that the desk has said before has been dealt with. */
const settle = (of = handle): Promise<unknown> => call(of, PING);

const respond = (text = 'done', id = 'one', to?: string): Uint8Array =>
  desk.signal(id, 'Response', text, to);

/** The texts of the signals that a first Subscribe brings, until the object is gone. */
async function lastWords(request: Capability, by = bus): Promise<readonly unknown[]> {
  const released = gone(request);
  const signals = await listenTo(by, request);
  const { body } = await signals.next('Response');
  await released;
  return body;
}

describe('a signal waits for the first Subscribe, and the object ends then', () => {
  test.each<[string, Script]>([
    ['sent before the answer', (answer) => [respond(), answer]],
    [
      'sent before the answer, to the caller alone',
      (answer, to) => [respond('done', 'one', to), answer],
    ],
    ['sent after the answer', (answer) => [answer, respond()]],
    [
      'sent after the answer, to the caller alone',
      (answer, to) => [answer, respond('done', 'one', to)],
    ],
  ])('%s', async (_what, script) => {
    const request = await ask(script);
    expect(await lastWords(request)).toEqual(['done']);
  });

  test('sent long after the answer', async () => {
    const request = await ask(onlyAnswer);
    await settle();
    desk.say(respond());
    await settle();
    expect(request.live).toBe(true);
    expect(await lastWords(request)).toEqual(['done']);
  });

  test('sent while the handle to the service is gone already', async () => {
    const other = await bridge.native();
    const far = await other.resolve(NAME);
    const asking = call(far, ASK);
    const asked = await desk.asked();
    far.release();
    desk.say(respond(), desk.answer(asked, 'one'));
    expect(await lastWords((await asking) as Capability, other)).toEqual(['done']);
    other.close();
  });

  test('of each kind the last, in their order', async () => {
    const progress = (text: string): Uint8Array => desk.signal('one', 'Progress', text);
    const request = await ask((answer) => [
      progress('a'),
      answer,
      progress('b'),
      progress('c'),
      respond(),
    ]);
    await settle();
    const released = gone(request);
    const signals = await listenTo(bus, request);
    expect((await signals.next('Progress')).body).toEqual(['c']);
    expect((await signals.next('Response')).body).toEqual(['done']);
    await released;
  });

  test('and is told before what comes later', async () => {
    const request = await ask((answer) => [answer, desk.signal('one', 'Progress', 'first')]);
    await settle();
    const signals = await listenTo(bus, request);
    desk.say(desk.signal('one', 'Progress', 'second'), desk.signal('one', 'Stopped', ''));
    const heard = [await signals.next('Progress'), await signals.next('Progress')];
    expect(heard.map(({ body }) => body)).toEqual([['first'], ['second']]);
    await gone(request);
  });
});

describe('it does not wait', () => {
  test('with a call that is under way, when 16 others have come since', async () => {
    const request = await ask((answer) => {
      const others = Array.from({ length: 16 }, (_, index) => respond('', `other${index}`));
      return [desk.signal('one', 'Progress', 'lost'), ...others, answer];
    });
    const signals = await listenTo(bus, request);
    desk.say(desk.signal('one', 'Progress', 'next'));
    expect((await signals.next('Progress')).body).toEqual(['next']);
  });

  test('for whoever listens', async () => {
    const request = await ask(onlyAnswer);
    const released = gone(request);
    const signals = await listenTo(bus, request);
    desk.say(respond());
    expect((await signals.next('Response')).body).toEqual(['done']);
    await released;
  });

  test('when the mapping does not say so: the object ends at once', async () => {
    const request = await ask((answer) => [answer, desk.signal('one', 'Stopped', '')]);
    await gone(request);
    expect(request.live).toBe(false);
  });

  test('for a holder that lets go: nothing is called any more', async () => {
    const request = await ask((answer) => [answer, respond()]);
    await settle();
    request.release();
    await settle();
    expect(desk.calls.filter((one) => one.startsWith('Close'))).toEqual([]);
    expect((await ask(onlyAnswer)).live).toBe(true);
  });

  test('for a holder that ends the object itself', async () => {
    const request = await ask((answer) => [answer, desk.signal('one', 'Progress', 'half')]);
    const released = gone(request);
    await call(request, `${REQUEST}.Close`);
    await released;
    expect(request.live).toBe(false);
  });

  test('when the service leaves the bus', async () => {
    const request = await ask((answer) => [answer, respond()]);
    await settle();
    const released = Promise.all([gone(request), gone(handle)]);
    desk.stop();
    await released;
    desk = await Desk.start(bridge.address);
    handle = await bus.resolve(NAME);
    expect((await ask(onlyAnswer)).live).toBe(true);
  });

  test('for an object that another native peer asks for under the same path later', async () => {
    await ask((answer) => [answer, respond('of the first')]);
    await settle();
    const second = await ask(onlyAnswer);
    desk.say(respond('of the second'));
    await settle();
    expect(await lastWords(second)).toEqual(['of the second']);
  });
});

describe('until then the handle to what has ended', () => {
  let request: Capability;
  beforeEach(async () => {
    request = await ask((answer) => [answer, respond()]);
    await settle();
  });

  test.each([
    ['org.freedesktop.DBus.Properties.GetAll', 's', [REQUEST]],
    [`${REQUEST}.Close`, '', []],
  ])('is not good for %s', async (method, signature, body) => {
    await expect(call(request, method, signature, ...body)).rejects.toMatchObject({
      name: `${ERROR}.UnknownObject`,
      message: expect.stringContaining('the request has ended'),
    });
    expect(desk.calls.filter((one) => !one.endsWith(` ${PATH}`) && !one.endsWith(' /'))).toEqual(
      [],
    );
    expect(await lastWords(request)).toEqual(['done']);
  });

  test('is no argument', async () => {
    await expect(call(handle, 'org.example.Desk.Hurry', 'o', request)).rejects.toMatchObject({
      name: `${ERROR}.InvalidArgs`,
      message: expect.stringContaining('has ended'),
    });
  });
});

describe('holders', () => {
  let other: Bus;
  let far: Capability;
  beforeEach(async () => {
    other = await bridge.native();
    far = await other.resolve(NAME);
  });
  afterEach(() => other.close());

  test('one listens and hears it at once, for the other it waits', async () => {
    const [mine, theirs] = [await ask(onlyAnswer), await ask(onlyAnswer, 'one', far)];
    const released = gone(mine);
    const signals = await listenTo(bus, mine);
    desk.say(respond());
    expect((await signals.next('Response')).body).toEqual(['done']);
    await released;
    expect(theirs.live).toBe(true);
    expect(await lastWords(theirs, other)).toEqual(['done']);
  });

  test('what is for one alone ends the object for all', async () => {
    const [mine, theirs] = [await ask(onlyAnswer), await ask(onlyAnswer, 'one', far)];
    const released = gone(mine);
    desk.say(respond('done', 'one', other.uniqueName));
    await released;
    expect(await lastWords(theirs, other)).toEqual(['done']);
  });

  test('two handles of one bring it once, and end together', async () => {
    const both = [await ask(onlyAnswer), await ask(onlyAnswer)];
    desk.say(respond());
    await settle();
    expect(both.map(({ live }) => live)).toEqual([true, true]);
    const released = Promise.all(both.map((one) => gone(one)));
    expect(await lastWords(both[1])).toEqual(['done']);
    await released;
  });

  test('one that was given the handle to the service by another', async () => {
    const kept: Capability[] = [];
    const keep = (one: Capability): void => void kept.push(one);
    other.serve('/keeper', [implement(KEEPER, { methods: { Keep: keep } })]);
    const keeper = await bus.resolve(other.uniqueName);
    const member = { path: '/keeper', interface: KEEPER.name, member: 'Keep', signature: 'o' };
    await keeper.call({ ...member, body: [handle] });
    far.release();
    const request = await ask((answer, to) => [respond('done', 'one', to), answer], 'one', kept[0]);
    expect(await lastWords(request, other)).toEqual(['done']);
  });
});

test('nothing is left of native peers that have gone', async () => {
  const names = await watchNames(desk.bus);
  const visit = async (): Promise<void> => {
    const visitor = await bridge.native();
    const far = await visitor.resolve(NAME);
    await ask((answer) => [respond('early', 'one'), answer], 'one', far);
    await ask((answer, to) => [answer, respond('late', 'two', to)], 'two', far);
    await lastWords(
      await ask((answer) => [answer, respond('heard', 'three')], 'three', far),
      visitor,
    );
    await settle(far);
    const unanswered = call(far, ASK);
    await desk.asked();
    desk.say(respond('never', 'four'));
    await settle(far);
    visitor.close();
    await expect(unanswered).rejects.toThrow(/closed|gone|left|disconnect/i);
    await names.gone(visitor.uniqueName);
  };
  await visit();
  const before = await figuresAtRest(desk.bus);
  for (let i = 0; i < 5; i++) await visit();
  expect(await figuresAtRest(desk.bus)).toEqual(before);
});
