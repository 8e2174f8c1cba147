import { Message as DbusMessage, Variant, type MessageLike } from 'dbus-next';
import {
  BUS,
  BUS_PATH,
  failure,
  failureType,
  messages,
  NAME,
  PATH,
  type Message,
  type Stage,
} from './stage.js';

/** Does something on a stage and tells what has come of it. Unique names are told by `roles`. */
export type Program = (stage: Stage) => Promise<unknown>;

const variant = (signature: string, value: unknown): Variant => new Variant(signature, value);

/** Which values arrive, and as what. */
export const VALUES: readonly (readonly [string, unknown])[] = [
  ['y', 255],
  ['b', true],
  ['b', 0],
  ['n', -32768],
  ['q', 65535],
  ['i', -2147483648],
  ['u', 4294967295],
  ['x', -9223372036854775807n],
  ['x', 42],
  ['x', '-42'],
  ['t', 18446744073709551615n],
  ['d', -0.5],
  ['s', ''],
  ['s', 'ünïcödé \u{1f680}'],
  ['s', 'lone \ud800 surrogate'],
  ['s', Buffer.from('a buffer')],
  ['s', 'x'.repeat(70_000)],
  ['o', '/a/b_1'],
  ['g', 'a{s(iv)}'],
  ['v', variant('v', variant('u', 1))],
  ['ay', Buffer.from([1, 2, 3])],
  ['ay', [1, 2, 3]],
  ['ay', Buffer.alloc(0)],
  ['aay', [Buffer.from('a'), Buffer.from('b')]],
  ['as', []],
  ['as', ['a', 'b']],
  ['ax', [1n, 2n]],
  ['ad', []],
  ['aai', [[1], [], [2, 3]]],
  ['av', [variant('s', 'a'), variant('(iv)', [1, variant('b', false)])]],
  ['(sib)', ['a', 1, true]],
  ['(s(ay))', ['a', [Buffer.from('b')]]],
  ['a(ss)', [['a', 'b']]],
  ['a{sv}', {}],
  [
    'a{sv}',
    { a: variant('u', 1), 'b c': variant('a{sv}', { d: variant('ay', Buffer.from('e')) }) },
  ],
  ['a{ss}', { a: 'b' }],
  ['a{sa{ss}}', { a: { b: 'c' } }],
  ['a{oas}', { '/a': ['b'] }],
  ['a{s(ii)}', { a: [1, 2] }],
  ['(yxyd)', [1, 2n, 3, 4]],
];

/** What cannot be sent. */
const WRONG_VALUES: readonly (readonly [string, unknown])[] = [
  ['y', 256],
  ['n', 40_000],
  ['i', 1.5],
  ['u', -1],
  ['u', '1'],
  ['b', 'true'],
  ['x', 2n ** 63n],
  ['t', -1n],
  ['d', Number.NaN],
  ['d', Number.POSITIVE_INFINITY],
  ['s', 1],
  ['s', null],
  ['s', undefined],
  ['s', 'NUL \0'],
  ['g', '('],
  ['v', 'no variant'],
  ['as', 'text'],
  ['as', [1]],
  ['a{ss}', ['a', 'b']],
  ['a{ss}', new Map([['a', 'b']])],
  ['(ss)', ['a']],
  ['(ss)', 'ab'],
];

type Fields = { readonly [Field in keyof Message]?: Message[Field] | undefined };

const call = (fields: Fields): Message =>
  new DbusMessage({ destination: NAME, path: PATH, interface: NAME, ...fields } as MessageLike);
const busCall = (member: string, signature = '', body: unknown[] = []): Message =>
  call({ destination: BUS, path: BUS_PATH, interface: BUS, member, signature, body });

/** The parts of a message that a program looks at. */
function seen(message: Message | null): unknown {
  if (message === null) return null;
  const { type, path, interface: iface, member, errorName, signature, body } = message;
  return { type, path, interface: iface, member, errorName, signature, body };
}

const isSignal = (name: string) => (message: Message) =>
  message.type === 4 && message.member === name;

export const PROGRAMS: Readonly<Record<string, Program>> = {
  'values there and back': async ({ proxy }) => {
    const back: unknown[] = [];
    for (const [signature, value] of VALUES) back.push(await proxy.Echo(variant(signature, value)));
    return back;
  },

  'values that cannot be sent': async ({ proxy }) => {
    const failures: unknown[] = [];
    for (const [signature, value] of WRONG_VALUES) {
      failures.push(await failure(proxy.Echo(variant(signature, value))));
    }
    return [...failures, await proxy.Echo(variant('s', 'the bus is still there'))];
  },

  'methods of a proxy': async ({ proxy }) => [
    await proxy.Two('a', 1),
    await proxy.Later('later'),
    await proxy.Nothing(),
    await Promise.all(Array.from({ length: 200 }, (_, i) => proxy.Later(String(i)))),
    await failure(proxy.Two('a')),
    await failure(proxy.Two('a', 'b')),
  ],

  'errors of a service': async ({ proxy }) => [
    await failure(proxy.Refuse()),
    await failure(proxy.RefuseLater()),
    await failure(proxy.Crash()),
    await failure(proxy.WrongCount()),
    await failureType(proxy.WrongType()),
  ],

  'calls to what is not there': async ({ client }) => {
    const calls: Fields[] = [
      { member: 'Missing' },
      { member: 'Two', signature: 's', body: ['a'] },
      { interface: 'org.example.Missing', member: 'Two' },
      { interface: undefined, member: 'Nothing' },
      { path: '/missing', member: 'Nothing' },
      { destination: 'org.example.Missing', member: 'Nothing' },
      { destination: 'org.example.Missing', member: 'Nothing', flags: 2 },
      { destination: ':1.999999', member: 'Nothing' },
      { destination: BUS, path: BUS_PATH, interface: BUS, member: 'Missing' },
    ];
    const failures: unknown[] = [];
    for (const fields of calls) failures.push(await failure(client.call(call(fields))));
    return failures;
  },

  properties: async ({ properties, sample }) => [
    await properties.Get(NAME, 'Label'),
    await properties.Get(NAME, 'Version'),
    await properties.Get(NAME, 'Map'),
    await properties.GetAll(NAME),
    await properties.GetAll('org.example.Missing'),
    await properties.Set(NAME, 'Label', variant('s', 'second')),
    await properties.Get(NAME, 'Label'),
    await properties.Set(NAME, 'Secret', variant('s', 'psst')),
    sample.said,
    await failure(properties.Set(NAME, 'Label', variant('s', ''))),
    await failure(properties.Set(NAME, 'Label', variant('u', 1))),
    await failure(properties.Set(NAME, 'Missing', variant('u', 1))),
    await failure(properties.Get(NAME, 'Missing')),
    await failure(properties.Get(NAME, 'Secret')),
    await failure(properties.Get('org.example.Missing', 'Label')),
  ],

  'signals come before the reply that was sent after them': async ({ proxy, properties }) => {
    const events: unknown[] = [];
    proxy.on('Said', (...args) => events.push(['Said', ...args]));
    properties.on('PropertiesChanged', (...args) => events.push(['PropertiesChanged', ...args]));
    await proxy.Nothing();
    for (let i = 0; i < 50; i++) {
      await proxy.Say(String(i));
      events.push('replied');
    }
    await properties.Set(NAME, 'Label', variant('s', 'second'));
    return [...events, 'replied'];
  },

  'a signal of several arguments': async ({ proxy, sample }) => {
    const said = new Promise((resolve) => proxy.once('SaidTwo', (...args) => resolve(args)));
    await proxy.Nothing();
    sample.SaidTwo('a', 1);
    return said;
  },

  'listeners come and go': async ({ proxy, client }) => {
    const events: unknown[] = [];
    const first = (text: string): void => void events.push(['first', text]);
    const second = (text: string): void => void events.push(['second', text]);
    proxy.on('Said', first);
    proxy.on('Said', second);
    await proxy.Say('both');
    proxy.removeListener('Said', first);
    await proxy.Say('one');
    proxy.removeListener('Said', second);
    await client.call(busCall('GetId'));
    await proxy.Say('none');
    proxy.on('Said', first);
    await proxy.Say('again');
    return events;
  },

  'messages, seen from both sides': async ({ client, service }) => {
    const received = messages(service, 1, ({ member }) => member === 'Two');
    const answered = messages(client, 1, ({ signature }) => signature === 'us');
    const two = call({ member: 'Two', signature: 'su', body: ['a', 1] });
    const reply = await client.call(two);
    const [[request], [answer]] = await Promise.all([received, answered]);
    return [
      seen(request),
      seen(answer),
      seen(reply),
      request.sender === client.name,
      request.destination,
      reply!.sender === service.name,
      reply!.destination === client.name,
      Number(reply!.replySerial) === two.serial,
      request.serial === two.serial,
      reply === answer,
    ];
  },

  'a message can be sent again, and with a serial of the program': async ({ client }) => {
    const serial = client.newSerial();
    const message = call({ serial, member: 'Later', signature: 's', body: ['x'] });
    const first = await client.call(message);
    const wasFirst = message.serial === serial;
    const second = await client.call(message);
    return [wasFirst, message.serial! > serial, seen(first), seen(second)];
  },

  'handlers of methods come first': async ({ client, service }) => {
    const handler = (message: Message): boolean => {
      if (message.member !== 'Mirror') return false;
      service.send(DbusMessage.newMethodReturn(message, message.signature, message.body));
      return true;
    };
    service.addMethodHandler(handler);
    const mirror = { path: '/any', interface: undefined, member: 'Mirror' };
    const body = ['a', { b: variant('u', 1) }, [1n, 2n]];
    const reply = await client.call(call({ ...mirror, signature: 'sa{sv}(xt)', body }));
    service.removeMethodHandler(handler);
    return [seen(reply), await failure(client.call(call({ ...mirror, interface: NAME })))];
  },

  'errors with other bodies': async ({ client, service }) => {
    service.addMethodHandler((message: Message) => {
      if (message.member !== 'Odd') return false;
      const error = DbusMessage.newError(message as never, 'org.example.Error.Odd', 'text');
      error.signature = 'su';
      error.body = ['text', 7];
      service.send(error);
      return true;
    });
    const error = await client.call(call({ member: 'Odd' })).catch((reason) => reason);
    return [error.name, error.type, error.text, seen(error.reply)];
  },

  'calls that want no reply': async ({ client, sample, proxy }) => {
    const message = call({ member: 'Silent', signature: 's', body: ['a'], flags: 1 });
    const reply = await client.call(message);
    client.send(call({ member: 'Silent', signature: 's', body: ['b'], flags: 1 }));
    client.send(call({ member: 'Refuse', flags: 1 }));
    await proxy.Nothing();
    return [reply, sample.said];
  },

  'a signal for one receiver': async ({ client, service }) => {
    const came = messages(client, 1, isSignal('Directed'));
    const { name: destination } = client;
    const fields = { type: 4, destination, member: 'Directed', signature: 's', body: ['x'] };
    service.send(call(fields));
    const [signal] = await came;
    return [seen(signal), signal.sender === service.name, signal.destination === client.name];
  },

  'what is sent before a connection ends arrives': async ({ open, client, service }) => {
    await client.call(busCall('AddMatch', 's', ["type='signal',member='Last'"]));
    const came = messages(client, 3, isSignal('Last'));
    const called = messages(service, 2, ({ member }) => member === 'Silent');
    const leaver = await open();
    for (const body of [['a'], ['b']]) {
      leaver.send(call({ member: 'Silent', signature: 's', body, flags: 1 }));
    }
    for (const body of [['a'], ['b'], ['c']]) {
      leaver.send(call({ type: 4, destination: undefined, member: 'Last', signature: 's', body }));
    }
    leaver.disconnect();
    return [...(await came), ...(await called)].map(seen);
  },

  'the end of a service ends its calls': async ({ client, service, proxy, sample }) => {
    const hanging = failure(proxy.Hang());
    await proxy.Nothing();
    const gone = messages(client, 1, isSignal('NameOwnerChanged'));
    const rule = `type='signal',member='NameOwnerChanged',arg0='${NAME}'`;
    await client.call(busCall('AddMatch', 's', [rule]));
    service.disconnect();
    await gone;
    return [sample.said, await hanging, await failure(proxy.Nothing())];
  },

  'names: replies, queue and replacement': async ({ client, service, open }) => {
    const name = 'org.example.Wanted';
    const third = await open();
    const owner = async (): Promise<string> => {
      const [unique] = (await client.call(busCall('GetNameOwner', 's', [name])))!.body;
      const holders = new Map([client, service, third].map((bus, i) => [bus.name, i]));
      return `owner ${holders.get(unique)}`;
    };
    return [
      await client.requestName(name, 0),
      await client.requestName(name, 0),
      await service.requestName(name, 4),
      await service.requestName(name, 0),
      await client.requestName(name, 1),
      await third.requestName(name, 2),
      await owner(),
      await client.releaseName(name),
      await third.releaseName(name),
      await owner(),
      await third.releaseName(name),
      await service.releaseName(name),
      await service.releaseName(name),
      await failureType(client.requestName('org.freedesktop.DBus', 0)),
      await failure(client.requestName('not a name', 0)),
    ];
  },

  'a name moves to another process, and calls with it': async ({
    proxy,
    client,
    service,
    open,
  }) => {
    const next = await open();
    const events: unknown[] = [];
    service.on('message', (message: Message) => {
      /* dbus-broker may take the unique name of a connection that ends, too */
      const isLost = isSignal('NameLost')(message) && message.body[0] === NAME;
      if (isLost) events.push(['lost', message.body[0]]);
    });
    next.addMethodHandler((message: Message) => {
      if (message.member !== 'Two') return false;
      next.send(DbusMessage.newMethodReturn(message, 'us', [2, 'the next']));
      return true;
    });
    const before = await proxy.Two('a', 1);
    const queued = await next.requestName(NAME, 0);
    const rule = `type='signal',member='NameOwnerChanged',arg0='${NAME}'`;
    await client.call(busCall('AddMatch', 's', [rule]));
    const changed = messages(client, 1, isSignal('NameOwnerChanged'));
    const released = await service.releaseName(NAME);
    await changed;
    return [before, queued, released, await proxy.Two('a', 1), events];
  },

  introspection: async ({ client, service, sample }) => {
    service.export(`${PATH}/child`, sample);
    const introspect = { interface: 'org.freedesktop.DBus.Introspectable', member: 'Introspect' };
    const xml = async (path: string): Promise<unknown> =>
      (await client.call(call({ ...introspect, path })))!.body[0];
    const object = await client.getProxyObject(NAME, PATH);
    const before = [await xml('/'), await xml(PATH), object.nodes, Object.keys(object.interfaces)];
    service.unexport(`${PATH}/child`, sample);
    return [...before, await xml(PATH)];
  },

  'a proxy by given XML': async ({ client, sample }) => {
    const xml = `<node><interface name="${NAME}"><signal name="Said"><arg type="s"/></signal>
      <method name="Later"><arg type="s" direction="in"/><arg type="s" direction="out"/></method>
      </interface></node>`;
    const proxy = (await client.getProxyObject(NAME, PATH, xml)).getInterface(NAME);
    const said = new Promise((resolve) => proxy.once('Said', resolve));
    const later = await proxy.Later('a');
    sample.Said('b');
    return [later, await said];
  },

  'the standard interfaces': async ({ client }) => {
    const peer = { interface: 'org.freedesktop.DBus.Peer' };
    const ping = await client.call(call({ ...peer, member: 'Ping' }));
    const { signature } = (await client.call(call({ ...peer, member: 'GetMachineId' })))!;
    return [seen(ping), signature];
  },

  'the bus as an object': async ({ client }) => {
    const bus = (await client.getProxyObject(BUS, BUS_PATH)).getInterface(BUS);
    const changes: unknown[] = [];
    bus.on('NameOwnerChanged', (name: string) => {
      if (!name.startsWith(':')) changes.push(name);
    });
    await client.requestName('org.example.Own', 0);
    await client.releaseName('org.example.Own');
    return [
      await bus.NameHasOwner(NAME),
      await bus.GetConnectionUnixProcessID(NAME).then((pid: number) => pid === process.pid),
      changes,
    ];
  },

  'a program that calls itself': async ({ service }) => {
    const proxy = (await service.getProxyObject(NAME, PATH)).getInterface(NAME);
    return [await proxy.Two('a', 1), await proxy.Later('b'), await failure(proxy.Refuse())];
  },

  'a program that is closed': async ({ open }) => {
    const bus = await open();
    bus.disconnect();
    return failure(bus.call(busCall('GetId')));
  },

  'a large payload': async ({ proxy }) => {
    const bytes = Buffer.alloc(1 << 20, 'abc');
    const back = await proxy.Echo(variant('ay', bytes));
    return [back.signature, bytes.equals(back.value)];
  },
};
