// gnome-keyring-daemon: sessions, collections and items are what a program has been given.
import dbus from 'dbus-next';
import { beforeEach, expect, test } from 'vitest';
import { Capability, Variant } from '#bridge/client/index.js';
import { MOCK_SOFTWARE, recorded } from '../../mappings/sources.js';
import { start } from '../../support/process.js';
import { describeWith, needs } from '../../support/software.js';
import { type Signals, call, gone, legacyCall, listenTo, property } from '../bridge.js';
import { MockService } from './mock-service.js';
import { peersForAllTests } from './peers.js';

const NAME = 'org.freedesktop.secrets';
const PATH = '/org/freedesktop/secrets';
const [SERVICE, COLLECTION, ITEM, SESSION, PROMPT] = [
  'Service',
  'Collection',
  'Item',
  'Session',
  'Prompt',
].map((word) => `org.freedesktop.Secret.${word}`);
const INTERNAL = 'org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface';
const SOFTWARE = [
  needs('gnome-keyring-daemon', 'gnome-keyring'),
  needs('dbus-monitor', 'dbus-bin'),
];
const DAEMON = ['gnome-keyring-daemon', '--foreground', '--components=secrets', '--unlock'];
/** No program is there to show a prompt, so each is dismissed. */
const WITHOUT_PROMPTER = { GNOME_KEYRING_TEST_PROMPTER: 'org.example.Nobody' };

const bytes = (text: string) => new TextEncoder().encode(text);

describeWith(SOFTWARE, 'secrets', () => {
  let service: Capability;
  let session: Capability;
  /** of each test, and unlocked */
  let collection: Capability;

  const peers = peersForAllTests(async ({ bridge, native }) => {
    await bridge.service(DAEMON, NAME, WITHOUT_PROMPTER, 'password');
    service = await native.resolve(NAME);
  });
  beforeEach(async () => {
    session = await openSession();
    const label = new Map([[`${COLLECTION}.Label`, new Variant('s', 'mine')]]);
    const master = secretOf('master');
    const method = `${INTERNAL}.CreateWithMasterPassword`;
    collection = (await call(service, method, 'a{sv}(oayays)', label, master)) as Capability;
  });

  const openSession = async (): Promise<Capability> => {
    const open = { interface: SERVICE, member: 'OpenSession', signature: 'sv' };
    const { body } = await service.call({ ...open, body: ['plain', new Variant('s', '')] });
    return body[1] as Capability;
  };
  const secretOf = (text: string) => [session, bytes(''), bytes(text), 'text/plain'];
  const textOf = (secret: unknown) => new TextDecoder().decode((secret as Uint8Array[])[2]);

  const createItem = async (label: string): Promise<Capability> => {
    const properties = new Map<string, Variant>([
      [`${ITEM}.Label`, new Variant('s', label)],
      [`${ITEM}.Attributes`, new Variant('a{ss}', new Map([['of', label]]))],
    ]);
    const create = { interface: COLLECTION, member: 'CreateItem', signature: 'a{sv}(oayays)b' };
    const body = [properties, secretOf(`secret of ${label}`), true];
    const {
      body: [item, prompt],
    } = await collection.call({ ...create, body });
    expect(prompt).toBe('/');
    return item as Capability;
  };

  /** What a signal is about. */
  const heard = async (signals: Signals, member: string): Promise<Capability> => {
    const [capability] = (await signals.next(member)).body;
    expect(capability).toBeInstanceOf(Capability);
    return capability as Capability;
  };

  const withStrings = (path: string, method: string, signature: string, ...body: unknown[]) => {
    const [, iface, member] = /^(.*)\.(.*)$/.exec(method)!;
    const to = { destination: NAME, path, interface: iface, member };
    return legacyCall(peers.legacy, { ...to, signature, body });
  };

  test('an item, from its creation to its deletion', async () => {
    const signals = await listenTo(peers.native, collection);
    const item = await createItem('one');
    const same = await heard(signals, 'ItemCreated');
    expect(await property(same, ITEM, 'Label')).toBe('one');
    const secret = (await call(item, `${ITEM}.GetSecret`, 'o', session)) as unknown[];
    expect([secret[0], textOf(secret)]).toEqual([expect.any(Capability), 'secret of one']);
    await call(item, `${ITEM}.SetSecret`, '(oayays)', secretOf('changed'));
    const label = [ITEM, 'Label', new Variant('s', 'first')];
    await call(item, 'org.freedesktop.DBus.Properties.Set', 'ssv', ...label);
    await heard(signals, 'ItemChanged');
    expect(textOf(await call(item, `${ITEM}.GetSecret`, 'o', session))).toBe('changed');
    const released = Promise.all([gone(item), gone(same)]);
    expect(await call(item, `${ITEM}.Delete`)).toBe('/');
    await heard(signals, 'ItemDeleted');
    await released;
    expect(collection.live).toBe(true);
  });

  test('items that are found', async () => {
    for (const label of ['two', 'three']) await createItem(label);
    const wanted = new Map([['of', 'two']]);
    const everywhere = await call(service, `${SERVICE}.SearchItems`, 'a{ss}', wanted);
    const here = await call(collection, `${COLLECTION}.SearchItems`, 'a{ss}', wanted);
    for (const [found] of [everywhere, here] as Capability[][]) {
      expect(await property(found, ITEM, 'Label')).toBe('two');
    }
    const items = (await property(collection, COLLECTION, 'Items')) as Capability[];
    const all = await call(service, `${SERVICE}.GetSecrets`, 'aoo', items, session);
    const entries = [...(all as Map<Capability, unknown[]>)];
    const texts = entries.map(([, secret]) => textOf(secret));
    expect(texts.toSorted()).toEqual(['secret of three', 'secret of two']);
    for (const [item, [of]] of entries) {
      expect(of).toBeInstanceOf(Capability);
      expect(await property(item, ITEM, 'Locked')).toBe(false);
    }
    const [paths] = await withStrings(PATH, `${SERVICE}.SearchItems`, 'a{ss}', { of: 'two' });
    expect(paths).toContainEqual(
      expect.stringMatching(/^\/org\/freedesktop\/secrets\/collection\/mine/),
    );
  });

  test('a collection, from its creation to its deletion', async () => {
    const signals = await listenTo(peers.native, service);
    const create = `${INTERNAL}.CreateWithMasterPassword`;
    const label = new Map([[`${COLLECTION}.Label`, new Variant('s', 'other')]]);
    const other = await call(service, create, 'a{sv}(oayays)', label, secretOf('master'));
    const same = await heard(signals, 'CollectionCreated');
    expect(await property(same, COLLECTION, 'Label')).toBe('other');
    await call(service, `${SERVICE}.SetAlias`, 'so', 'default', same);
    const alias = (await call(service, `${SERVICE}.ReadAlias`, 's', 'default')) as Capability;
    expect(await property(alias, COLLECTION, 'Label')).toBe('other');
    expect(await call(service, `${SERVICE}.ReadAlias`, 's', 'none')).toBe('/');
    const all = (await property(service, SERVICE, 'Collections')) as Capability[];
    const labels = await Promise.all(all.map((one) => property(one, COLLECTION, 'Label')));
    expect(labels).toContain('other');
    const [path] = await withStrings(PATH, `${SERVICE}.ReadAlias`, 's', 'default');
    expect(path).toBe(`${PATH}/collection/other`);
    const released = Promise.all([other as Capability, same, alias].map((one) => gone(one)));
    expect(await call(same, `${COLLECTION}.Delete`)).toBe('/');
    await heard(signals, 'CollectionDeleted');
    await released;
  });

  test('what is locked stays locked when the prompt is dismissed', async () => {
    const item = await createItem('four');
    const signals = await listenTo(peers.native, service);
    const [locked] = (await call(service, `${SERVICE}.Lock`, 'ao', [collection])) as Capability[];
    await heard(signals, 'CollectionChanged');
    expect(await property(locked, COLLECTION, 'Locked')).toBe(true);
    expect(await property(item, ITEM, 'Locked')).toBe(true);
    const search = { interface: SERVICE, member: 'SearchItems', signature: 'a{ss}' };
    const found = await service.call({ ...search, body: [new Map([['of', 'four']])] });
    expect(found.body).toEqual([[], [expect.any(Capability)]]);
    const unlock = { interface: SERVICE, member: 'Unlock', signature: 'ao' };
    const {
      body: [none, prompt],
    } = await service.call({ ...unlock, body: [[collection, item]] });
    expect(none).toEqual([]);
    await isDismissed(prompt as Capability);
    const master = `${INTERNAL}.UnlockWithMasterPassword`;
    await call(service, master, 'o(oayays)', collection, secretOf('master'));
    const passwords = [secretOf('master'), secretOf('changed')];
    const change = `${INTERNAL}.ChangeWithMasterPassword`;
    await call(service, change, 'o(oayays)(oayays)', collection, ...passwords);
    const {
      body: [done],
    } = await service.call({ ...unlock, body: [[item]] });
    expect(done).toEqual([expect.any(Capability)]);
  });

  const isDismissed = async (prompt: Capability): Promise<void> => {
    const signals = await listenTo(peers.native, prompt);
    const released = gone(prompt);
    await call(prompt, `${PROMPT}.Prompt`, 's', '');
    expect((await signals.next('Completed')).body[0]).toBe(true);
    await released;
  };

  test('other prompts', async () => {
    const body = [new Map(), ''];
    const create = { interface: SERVICE, member: 'CreateCollection', signature: 'a{sv}s', body };
    const {
      body: [none, prompt],
    } = await service.call(create);
    expect(none).toBe('/');
    await isDismissed(prompt as Capability);
    for (const method of [`${SERVICE}.ChangeLock`, `${INTERNAL}.ChangeWithPrompt`]) {
      await isDismissed((await call(service, method, 'o', collection)) as Capability);
    }
  });

  test('a session is closed with its last handle', async () => {
    const monitor = start('dbus-monitor', ['--address', peers.bridge.address, "member='Close'"]);
    await monitor.waitForLine(/NameLost/);
    const other = await openSession();
    const released = gone(other);
    await call(other, `${SESSION}.Close`);
    await released;
    const first = await monitor.waitForLine(/member=Close/);
    session.release();
    const line = await monitor.waitForLine(/member=Close/);
    const path = /path=([^;]*)/;
    expect(line).toContain(`sender=${peers.native.uniqueName} -> destination=${NAME}`);
    expect(path.exec(line)![1]).toMatch(/^\/org\/freedesktop\/secrets\/session\//);
    expect(path.exec(line)![1]).not.toBe(path.exec(first)![1]);
    await monitor.stop();
  });

  test('a path that is known is nothing that can be used', async () => {
    const guess = call(service, `${SERVICE}.Lock`, 'ao', [`${PATH}/collection/login`]);
    await expect(guess).rejects.toMatchObject({ name: 'org.freedesktop.DBus.Error.AccessDenied' });
    const [locked] = await withStrings(PATH, `${SERVICE}.Lock`, 'ao', [`${PATH}/collection/login`]);
    expect(locked).toEqual([`${PATH}/collection/login`]);
  });
});

// Nobody is there to type a password, so for what comes of that there is a stand-in.
describeWith(MOCK_SOFTWARE, 'with somebody who answers prompts', () => {
  const [NEW, FIRST, ASKED] = ['collection/new', 'collection/new/1', 'prompt/1'].map(
    (path) => `${PATH}/${path}`,
  );
  const [none, collection, only, prompt] = ['/', NEW, FIRST, ASKED].map(
    (path) => `dbus.ObjectPath("${path}")`,
  );
  let mock: MockService;
  let service: Capability;

  const peers = peersForAllTests(async (all) => {
    const types = [recorded('secret-service.xml')];
    mock = await MockService.start(all, { name: NAME, path: PATH, interface: SERVICE, types });
    const code = {
      CreateCollection: `ret = (${collection}, ${none})`,
      Lock: `ret = (dbus.Array([], "o"), ${prompt})`,
      SearchItems: `ret = ([${only}], [${only}])`,
    };
    await mock.extend(PATH, SERVICE, { code });
    await mock.add(ASKED, PROMPT);
    const create = `ret = (${none}, ${prompt})`;
    const remove = `ret = ${prompt}`;
    const asCollection = { code: { CreateItem: create, Delete: remove } };
    await mock.add(NEW, COLLECTION, { ...asCollection, properties: { Label: 'new' } });
    await mock.add(FIRST, ITEM, { code: { Delete: remove }, properties: { Label: 'first' } });
    service = await all.native.resolve(NAME);
  });

  const resultsOf = async (of: Capability, method: string, types: string, ...body: unknown[]) => {
    const [, iface, member] = /^(.*)\.(.*)$/.exec(method)!;
    return (await of.call({ interface: iface, member, signature: types, body })).body;
  };
  const handle = expect.any(Capability);
  const valueIn = (variant: unknown): unknown =>
    variant instanceof Variant ? valueIn(variant.value) : variant;

  test('what may prompt, or not', async () => {
    const create = await resultsOf(service, `${SERVICE}.CreateCollection`, 'a{sv}s', new Map(), '');
    expect(create).toEqual([handle, '/']);
    expect(await resultsOf(service, `${SERVICE}.Lock`, 'ao', [])).toEqual([[], handle]);
    const [found] = await resultsOf(service, `${SERVICE}.SearchItems`, 'a{ss}', new Map());
    const [first, of] = [(found as Capability[])[0], create[0] as Capability];
    expect(await resultsOf(first, `${ITEM}.Delete`, '')).toEqual([handle]);
    const item = [new Map(), ['/', bytes(''), bytes(''), ''], false];
    const created = await resultsOf(of, `${COLLECTION}.CreateItem`, 'a{sv}(oayays)b', ...item);
    expect(created).toEqual(['/', handle]);
    expect(await resultsOf(of, `${COLLECTION}.Delete`, '')).toEqual([handle]);
  });

  test('what a prompt brings waits for whoever asked', async () => {
    const [, asked] = await resultsOf(service, `${SERVICE}.Lock`, 'ao', []);
    await mock.emit(ASKED, [PROMPT, 'Completed'], [false, new dbus.Variant('o', NEW)]);
    expect((asked as Capability).live).toBe(true);
    await expect(call(asked as Capability, `${PROMPT}.Prompt`, 's', '')).rejects.toMatchObject({
      name: 'org.freedesktop.DBus.Error.UnknownObject',
    });
    const released = gone(asked as Capability);
    const signals = await listenTo(peers.native, asked as Capability);
    const [isDismissed, result] = (await signals.next('Completed')).body;
    const created = valueIn(result) as Capability;
    expect([isDismissed, await property(created, COLLECTION, 'Label')]).toEqual([false, 'new']);
    await released;
  });

  test.each([
    ['one object', new dbus.Variant('o', NEW), ['new']],
    ['several', new dbus.Variant('ao', [NEW, FIRST]), ['new', 'first']],
  ])('a prompt brings %s', async (_what, result, labels) => {
    const [, asked] = await resultsOf(service, `${SERVICE}.Lock`, 'ao', []);
    const signals = await listenTo(peers.native, asked as Capability);
    const released = gone(asked as Capability);
    await mock.emit(ASKED, [PROMPT, 'Completed'], [false, result]);
    const [, brought] = (await signals.next('Completed')).body;
    const objects = [valueIn(brought)].flat() as Capability[];
    const kinds = [COLLECTION, ITEM];
    const found = objects.map((one, index) => property(one, kinds[index], 'Label'));
    expect(await Promise.all(found)).toEqual(labels);
    await released;
  });
});
