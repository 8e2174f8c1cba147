// What each public entry exports, as a listing: a name that comes or goes is seen in a review.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';
import { output } from '../support/process.js';

const SURFACE: Readonly<Record<string, readonly string[]>> = {
  'bus1-bridge': [
    'Bus',
    'BusClosedError',
    'Capability',
    'ClientError',
    'DBusError',
    'Domain',
    'ErrorName',
    'ManagedObjects',
    'ReleaseNameReply',
    'RemoteObject',
    'Reply',
    'RequestNameReply',
    'ServedInterface',
    'ServedObject',
    'Signal',
    'Stream',
    'TimeoutError',
    'Variant',
    'WatchedProperties',
    'WireError',
    'WireFault',
    'implement',
    'join',
    'joinSync',
    'method',
    'property',
    'serviceOf',
    'signal',
  ],
  'bus1-bridge/dbus-next': [
    'DBusError',
    'Message',
    'MessageFlag',
    'MessageType',
    'NameFlag',
    'ReleaseNameReply',
    'RequestNameReply',
    'Variant',
    'default',
    'interface',
    'sessionBus',
    'setBigIntCompat',
    'systemBus',
    'validators',
  ],
  'bus1-bridge/core': [
    'Bus1Code',
    'Bus1Error',
    'CLOSED_SINK',
    'DescriptorSet',
    'INVALID_ID',
    'LocalDomain',
    'Message',
    'MessageTooBig',
    'NewNode',
    'PeerById',
    'ReceivedType',
    'ResourceUser',
    'SendStatus',
    'Slot',
    'TRANSFER_CREATE',
    'TRANSFER_ONE_SHOT',
    'isWithinShare',
  ],
  'bus1-bridge/shared': ['Authority', 'ChannelError', 'Patience', 'SharedDomain', 'parseLookUs'],
  'bus1-bridge/testing': ['MockObject', 'MockService', 'TestBus', 'objectsOfMapping'],
};

test('every entry is listed', () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const entries = Object.keys(exports).map((path) => path.replace(/^\./, 'bus1-bridge'));
  const programs = ['bus1-bridge/dbus-next/register', 'bus1-bridge/package.json'];
  expect(entries.toSorted()).toEqual([...Object.keys(SURFACE), ...programs].toSorted());
});

test.each(Object.entries(SURFACE))('%s', async (entry, names) => {
  const code = `console.log(JSON.stringify(Object.keys(await import('${entry}')).toSorted()))`;
  const words = ['--input-type=module', '--eval', code];
  expect(JSON.parse(await output(process.execPath, words, { cwd: ROOT }))).toEqual(names);
});
