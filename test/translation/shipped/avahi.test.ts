// Services on the network, of objects that have the interfaces of avahi-daemon: it itself would talk to the network.
import { beforeEach, describe, expect, test } from 'vitest';
import type { Capability } from '#bridge/client/index.js';
import { MOCK_SOFTWARE, recorded } from '../../mappings/sources.js';
import { describeWith } from '../../support/software.js';
import { call, gone, legacyCall, listenTo } from '../bridge.js';
import { MockService } from './mock-service.js';
import { peersForAllTests } from './peers.js';

const NAME = 'org.freedesktop.Avahi';
const SERVER = `${NAME}.Server`;
const SERVER2 = `${NAME}.Server2`;
const GROUP = `${NAME}.EntryGroup`;
const BROWSER = `${NAME}.ServiceBrowser`;

/** What the server makes, and how. */
const MADE: [kind: string, by: [of: string, method: string][]][] = [
  ['EntryGroup', [SERVER, SERVER2].map((of) => [of, 'EntryGroupNew'])],
  ...[
    'DomainBrowser',
    'ServiceTypeBrowser',
    'ServiceBrowser',
    'ServiceResolver',
    'HostNameResolver',
    'AddressResolver',
    'RecordBrowser',
  ].map((kind): (typeof MADE)[number] => [
    kind,
    [
      [SERVER, `${kind}New`],
      [SERVER2, `${kind}Prepare`],
    ],
  ]),
];
const pathOf = (kind: string): string => `/Client1/${kind}1`;

describeWith(MOCK_SOFTWARE, 'Avahi', () => {
  let mock: MockService;
  let server: Capability;
  const peers = peersForAllTests(async (all) => {
    const types = [recorded('avahi.xml')];
    mock = await MockService.start(all, { name: NAME, path: '/', interface: SERVER, types });
    for (const [kind, makers] of MADE) {
      await mock.add(pathOf(kind), `${NAME}.${kind}`);
      const code = `ret = "${pathOf(kind)}"`;
      for (const [of, method] of makers) await mock.extend('/', of, { code: { [method]: code } });
    }
    await mock.extend('/', SERVER, { code: { GetHostName: 'ret = "here"' } });
    server = await all.native.resolve(NAME);
  });

  const make = async (of: string, method: string): Promise<Capability> => {
    const { signature, values } = mock.argumentsOf(of, method);
    return (await call(server, `${of}.${method}`, signature, ...values)) as Capability;
  };

  test.each(MADE)('%s: freed when it is dropped, gone when it is freed', async (kind, makers) => {
    for (const [of, method] of makers) {
      const object = await make(of, method);
      await call(object, `${NAME}.${kind}.${kind === 'EntryGroup' ? 'Reset' : 'Start'}`);
      object.release();
      await mock.called('Free', pathOf(kind));
    }
    const object = await make(...makers[0]);
    const released = gone(object);
    await call(object, `${NAME}.${kind}.Free`);
    await released;
    expect(await call(server, `${SERVER}.GetHostName`)).toBe('here');
    const [calls] = await mock.control('GetMethodCalls', 's', ['Free'], pathOf(kind));
    expect(calls).toHaveLength(makers.length + 1);
  });

  test('a service is announced by way of its group, for as long as that is held', async () => {
    const group = await make(SERVER, 'EntryGroupNew');
    const signals = await listenTo(peers.native, group);
    const service = [-1, -1, 0, 'a', '_http._tcp', '', '', 80, [new TextEncoder().encode('x=y')]];
    await call(group, `${GROUP}.AddService`, 'iiussssqaay', ...service);
    await call(group, `${GROUP}.Commit`);
    expect((await mock.called('AddService')).path).toBe(pathOf('EntryGroup'));
    await mock.emit(
      pathOf('EntryGroup'),
      [GROUP, 'StateChanged'],
      [2, ''],
      peers.native.uniqueName,
    );
    expect((await signals.next('StateChanged')).body).toEqual([2, '']);
  });

  // avahi-daemon tells what it finds to nobody but who has made the browser.
  test('what a browser finds its holder hears', async () => {
    const browser = await make(SERVER2, 'ServiceBrowserPrepare');
    const signals = await listenTo(peers.native, browser);
    await call(browser, `${BROWSER}.Start`);
    const found = [2, 0, 'a', '_http._tcp', 'local', 0];
    await mock.emit(pathOf('ServiceBrowser'), [BROWSER, 'ItemNew'], found, peers.native.uniqueName);
    expect((await signals.next('ItemNew')).body).toEqual(found);
  });

  describe('a path', () => {
    const by = { interface: SERVER, member: 'EntryGroupNew' };
    let made: readonly unknown[];
    beforeEach(async () => {
      made = await legacyCall(peers.legacy, { destination: NAME, path: '/', ...by });
    });

    test('is what a legacy program gets, and calls', async () => {
      expect(made).toEqual([pathOf('EntryGroup')]);
      const reset = { path: pathOf('EntryGroup'), interface: GROUP, member: 'Reset' };
      expect(await legacyCall(peers.legacy, { destination: NAME, ...reset })).toEqual([]);
    });

    test('does not let a native peer free what others have made', async () => {
      const guess = { path: pathOf('EntryGroup'), interface: GROUP, member: 'Free' };
      await expect(server.call(guess)).rejects.toMatchObject({
        name: 'org.freedesktop.DBus.Error.UnknownObject',
      });
    });
  });
});
