// Tables, links and selections, which only programs with widgets have: a stand-in for one, beside at-spi2-registryd.
import dbus from 'dbus-next';
import { beforeAll, expect, test } from 'vitest';
import { type Capability, Variant } from '#bridge/client/index.js';
import { MOCK_SOFTWARE, textInProgram } from '../../mappings/sources.js';
import { describeWith } from '../../support/software.js';
import { call, legacyCall, listenTo, property } from '../bridge.js';
import { MockService } from './mock-service.js';
import { peersForAllTests } from './peers.js';

const ATSPI = 'org.a11y.atspi';
const REGISTRY = `${ATSPI}.Registry`;
const ACCESSIBLE = `${ATSPI}.Accessible`;
const REGISTRYD_PATH = '/usr/libexec/at-spi2-registryd';
const REGISTRYD = textInProgram(REGISTRYD_PATH, 'at-spi2-core');
const PROGRAM = 'org.example.Program';
const ROOT = '/org/a11y/atspi/accessible/root';
const WIDGET = '/org/a11y/atspi/accessible/7';
const REFERENCE = `("${PROGRAM}", dbus.ObjectPath("${WIDGET}"))`;
const RULE = '(aiia{ss}iaiiasib)';
const ANY = [[], 1, new Map(), 1, [], 1, [], 1, false];

type Reference = readonly [name: string, object: Capability];

describeWith([...MOCK_SOFTWARE, ...REGISTRYD.software], 'accessible widgets', () => {
  let mock: MockService;
  let root: Capability;
  let widget: Capability;

  const peers = peersForAllTests(async (all) => {
    const { bridge, native, legacy } = all;
    await bridge.service([REGISTRYD_PATH], REGISTRY, { AT_SPI_BUS_ADDRESS: bridge.address });
    const options = { name: PROGRAM, path: ROOT, interface: ACCESSIBLE, types: [REGISTRYD] };
    mock = await MockService.start(all, options);
    await mock.add(WIDGET, ACCESSIBLE, { properties: { Name: 'widget' } });
    for (const [method] of METHODS) {
      const [name, member] = method.split('.');
      const ret = method.startsWith('Collection.GetMatches') ? `[${REFERENCE}]` : REFERENCE;
      await mock.extend(ROOT, `${ATSPI}.${name}`, { code: { [member]: `ret = ${ret}` } });
    }
    for (const [name, member] of PROPERTIES) {
      const properties = { [member]: [PROGRAM, WIDGET] };
      await mock.extend(ROOT, `${ATSPI}.${name}`, { properties });
    }
    const socket = { path: ROOT, interface: `${ATSPI}.Socket`, member: 'Embed' };
    const embed = { destination: REGISTRY, ...socket, signature: '(so)', body: [[PROGRAM, ROOT]] };
    await legacyCall(legacy, embed);
    const desktop = await native.resolve(REGISTRY);
    [[, root]] = (await call(desktop, `${ACCESSIBLE}.GetChildren`)) as [Reference];
  });
  beforeAll(async () => {
    const at = await call(root, `${ATSPI}.Component.GetAccessibleAtPoint`, 'iiu', 1, 2, 0);
    [, widget] = at as Reference;
  });

  const METHODS: readonly (readonly [method: string, types: string, body: () => unknown[]])[] = [
    ['Component.GetAccessibleAtPoint', 'iiu', () => [1, 2, 0]],
    ['Collection.GetMatches', `${RULE}uib`, () => [ANY, 1, 0, true]],
    ['Collection.GetMatchesTo', `o${RULE}uubib`, () => [widget, ANY, 1, 0, true, 0, true]],
    ['Collection.GetMatchesFrom', `o${RULE}uuib`, () => [widget, ANY, 1, 0, 0, true]],
    ['Collection.GetActiveDescendant', '', () => []],
    ['Hyperlink.GetObject', 'i', () => [0]],
    ['Hypertext.GetLink', 'i', () => [0]],
    ['Selection.GetSelectedChild', 'i', () => [0]],
    ['Table.GetAccessibleAt', 'ii', () => [0, 0]],
    ['Table.GetRowHeader', 'i', () => [0]],
    ['Table.GetColumnHeader', 'i', () => [0]],
  ];
  const PROPERTIES = [
    ['Table', 'Caption'],
    ['Table', 'Summary'],
    ['TableCell', 'Table'],
  ] as const;

  /** Whose object it is, and what it is called. */
  const namesOf = async ([name, object]: Reference): Promise<unknown[]> => [
    name,
    await property(object, ACCESSIBLE, 'Name'),
  ];
  const NAMES = [PROGRAM, 'widget'];

  test.each(METHODS)('%s', async (method, types, body) => {
    const found = (await call(root, `${ATSPI}.${method}`, types, ...body())) as unknown[];
    const reference = Array.isArray(found[0]) ? found[0] : found;
    expect(await namesOf(reference as unknown as Reference)).toEqual(NAMES);
    const { args } = await mock.called(method.split('.')[1]);
    expect(args.filter((one) => one === WIDGET)).toHaveLength(types.startsWith('o') ? 1 : 0);
  });

  test.each(PROPERTIES)('%s.%s', async (name, member) => {
    const reference = await property(root, `${ATSPI}.${name}`, member);
    expect(await namesOf(reference as Reference)).toEqual(NAMES);
  });

  test('a place that is there for another program', async () => {
    const signals = await listenTo(peers.native, root);
    await mock.emit(ROOT, [`${ATSPI}.Socket`, 'Available'], [[PROGRAM, WIDGET]]);
    const [socket] = (await signals.next('Available')).body;
    expect(await namesOf(socket as Reference)).toEqual(NAMES);
  });

  test('an item that has become the active one', async () => {
    const signals = await listenTo(peers.native, root);
    const item = new dbus.Variant('(so)', [PROGRAM, WIDGET]);
    const event = [`${ATSPI}.Event.Object`, 'ActiveDescendantChanged'] as const;
    await mock.emit(ROOT, event, ['', 0, 0, item, {}]);
    const { body } = await signals.next('ActiveDescendantChanged');
    let [, , , value] = body;
    while (value instanceof Variant) ({ value } = value);
    expect(await namesOf(value as Reference)).toEqual(NAMES);
  });
});
