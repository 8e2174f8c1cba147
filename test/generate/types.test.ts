// What the compiler lets callers and services do with an interface description.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';
import { compile } from './compiler.js';

const EXAMPLE = `
import type { InterfaceDescription, ObjectReference, ReadOnly, ReadWrite, WriteOnly } from 'bus1-bridge';

export interface DoorMethods {
  Open: (key: string, angle: number) => boolean;
  Measure: () => [width: number, height: bigint];
  Knock: () => void;
  Neighbours: () => ObjectReference[];
}

export interface DoorSignals {
  Opened: [angle: number, by: string];
}

export interface DoorProperties {
  Angle: ReadOnly<number>;
  Colour: ReadWrite<string>;
  Secret: WriteOnly<Uint8Array>;
}

export const Door: InterfaceDescription<DoorMethods, DoorSignals, DoorProperties> = {
  name: 'org.example.Door',
  methods: {
    Open: { in: 'su', out: 'b' },
    Measure: { in: '', out: 'ut' },
    Knock: { in: '', out: '', noReply: true },
    Neighbours: { in: '', out: 'ao' },
  },
  signals: { Opened: { args: 'us' } },
  properties: {
    Angle: { type: 'u', access: 'read', emitsChanged: 'invalidates' },
    Colour: { type: 's', access: 'readwrite' },
    Secret: { type: 'ay', access: 'write' },
  },
};
`;

/** What a snippet begins with. */
const PRELUDE = `
  import type { Emitter, Implementation, InterfaceDescription, Proxy } from 'bus1-bridge';
  import { Door } from './door.js';
  import { Notifications } from './notifications.js';
  declare const door: Proxy<typeof Door>;
  declare const notifications: Proxy<typeof Notifications>;
  declare const unknown: Proxy<InterfaceDescription>;
  declare const emit: Emitter<typeof Door>;
  declare const sink: (...values: unknown[]) => void;
  interface Caller { readonly sender: string }
  const METHODS: Implementation<typeof Door>['methods'] = {
    Open: (key, angle) => key.length > angle,
    Measure: () => [1, 2n],
    Knock: () => {},
    Neighbours: async () => ['/a'],
  };
  const PROPERTIES: Implementation<typeof Door>['properties'] = {
    Angle: { get: () => 1 },
    Colour: { get: async () => 'red', set: async (colour) => sink(colour.length) },
    Secret: { set: (secret) => sink(secret.byteLength) },
  };
`;

const ALLOWED = {
  'a method takes its arguments and gives a promise':
    "const open: Promise<boolean> = door.methods.Open('key', 1); sink(open);",
  'several results are a tuple':
    'const [width, height] = await door.methods.Measure(); sink(width + 1, height + 1n);',
  'no result': 'const nothing: void = await door.methods.Knock(); sink(nothing);',
  'options come behind the arguments':
    "await door.methods.Open('key', 1, { timeoutMs: 5, signal: AbortSignal.abort() });",
  'a property that can be read':
    'const angle: number = await door.properties.Angle.get(); sink(angle);',
  'a property that can be read and written':
    'await door.properties.Colour.set(await door.properties.Colour.get());',
  'a property that can be written': 'await door.properties.Secret.set(new Uint8Array(1));',
  'signals as an observable':
    'door.signals.Opened.subscribe(([angle, by]) => sink(angle + 1, by.length));',
  'signals as an iterable':
    'for await (const [angle, by] of door.signals.Opened) sink(angle + 1, by.length);',
  'what is generated from introspection data': `
    const id: number = await notifications.methods.Notify('app', 0, '', 'Hi', '', [], new Map(), -1);
    const [name, , version] = await notifications.methods.GetServerInformation();
    sink(id, name.length, version.length);`,
  'members that nobody described': `
    sink(await unknown.methods.Anything?.('a', 1), await unknown.properties.Any?.get());`,
  'a description without types': `
    const description: InterfaceDescription = Door; sink(description);`,
  'an implementation':
    'const all: Implementation<typeof Door> = { methods: METHODS, properties: PROPERTIES }; sink(all);',
  'an implementation that asks who calls': `
    const all: Implementation<typeof Door, Caller> = {
      methods: { ...METHODS, Open: (key, angle, caller) => key + angle === caller.sender },
      properties: PROPERTIES,
    };
    sink(all);`,
  'an implementation without properties, where there are none': `
    const all: Implementation<typeof Notifications> = {
      methods: {
        GetCapabilities: () => [],
        Notify: (appName, replacesId) => (appName === '' ? replacesId : 1),
        CloseNotification: async () => {},
        GetServerInformation: () => ['a', 'b', 'c', 'd'],
      },
    };
    sink(all);`,
  'an implementation of what is known at run time only': `
    const all: Implementation<InterfaceDescription> = { methods: { Any: (text: string) => text } };
    sink(all);`,
  'sending signals': "emit.Opened(1, 'me');",
};

/** Each with the code of the one error that it must cause: TypeScript, diagnosticMessages.json. */
const REFUSED = {
  'a method that there is not': ['TS2339', 'await door.methods.Close();'],
  'too few arguments': ['TS2554', "await door.methods.Open('key');"],
  'an argument of another type': ['TS2345', "await door.methods.Open('key', '1');"],
  'number for a 64-bit integer': [
    'TS2322',
    'const [, height]: [number, number] = await door.methods.Measure(); sink(height);',
  ],
  'an option that there is not': ['TS2561', 'await door.methods.Knock({ timeout: 1 });'],
  'a result without awaiting it': [
    'TS2322',
    "const open: boolean = door.methods.Open('key', 1); sink(open);",
  ],
  'reading what can only be written': ['TS2339', 'await door.properties.Secret.get();'],
  'writing what can only be read': ['TS2339', 'await door.properties.Angle.set(1);'],
  'writing a value of another type': ['TS2345', 'await door.properties.Colour.set(1);'],
  'a signal that there is not': ['TS2339', 'door.signals.Closed.subscribe(sink);'],
  'a signal argument of another type': [
    'TS2769',
    'door.signals.Opened.subscribe(([angle]: [string, string]) => sink(angle));',
  ],
  'plain numbers for hints': [
    'TS2345',
    "await notifications.methods.Notify('', 0, '', '', '', [], new Map([['urgency', 1]]), -1);",
  ],
  'an implementation that lacks a method': [
    'TS2741',
    `const { Open: _, ...methods } = METHODS;
     const all: Implementation<typeof Door> = { methods, properties: PROPERTIES }; sink(all);`,
  ],
  'an implementation that lacks the properties': [
    'TS2322',
    'const all: Implementation<typeof Door> = { methods: METHODS }; sink(all);',
  ],
  'a method that returns something else': [
    'TS2322',
    `const methods: Implementation<typeof Door>['methods'] = { ...METHODS, Open: () => 'yes' };
     sink(methods);`,
  ],
  'a method that wants more than it gets': [
    'TS2322',
    `const methods: Implementation<typeof Door>['methods'] = {
       ...METHODS, Knock: (loud: boolean, twice: boolean) => sink(loud, twice),
     };
     sink(methods);`,
  ],
  'a readable property without get': [
    'TS2322',
    `const properties: Implementation<typeof Door>['properties'] = {
       ...PROPERTIES, Colour: { set: () => {} },
     };
     sink(properties);`,
  ],
  'a signal with too many arguments': ['TS2554', "emit.Opened(1, 'me', 2);"],
  'a description whose access is misspelt': [
    'TS2322',
    `const other: InterfaceDescription = {
       name: 'a.b', methods: {}, signals: {}, properties: { X: { type: 's', access: 'write-only' } },
     };
     sink(other);`,
  ],
} as const;

const fileOf = (title: string): string => `${title.replaceAll(/\W+/g, '-')}.ts`;

test('a proxy, an implementation and an emitter have the types of their interface', async () => {
  const refused = Object.entries(REFUSED).map(([title, [, snippet]]) => [title, snippet] as const);
  const snippets = [...Object.entries(ALLOWED), ...refused];
  const notifications = join(ROOT, 'test/generate/golden/notifications.ts');
  const { complaints } = await compile({
    'door.ts': EXAMPLE,
    'notifications.ts': readFileSync(notifications, 'utf8'),
    ...Object.fromEntries(snippets.map(([title, text]) => [fileOf(title), PRELUDE + text])),
  });
  const codesOf = (title: string): string[] =>
    complaints.filter(({ file }) => file === fileOf(title)).map(({ code }) => code);
  for (const [title, [code]] of Object.entries(REFUSED)) {
    expect.soft(codesOf(title), `${title} is refused`).toEqual([code]);
  }
  const expected = new Set(Object.keys(REFUSED).map(fileOf));
  expect(complaints.filter(({ file }) => !expected.has(file))).toEqual([]);
});
