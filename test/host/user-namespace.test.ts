// A client in a user namespace names the uid that it has there; the bus finds out whose it is outside.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { outsideUid, parseUidMap } from '#bridge/host/uid-map.js';
import {
  type RunningBus,
  describeWith,
  needs,
  run,
  sessionConfig,
  startBus,
} from '../support/bus.js';
import { PYTHON, skipBecause } from '../support/software.js';

const NOBODY = 65534;
const AS_NOBODY = ['--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups'];
/* The inside uid is 0, the outside one that of nobody. */
const IN_NAMESPACE = [...AS_NOBODY, 'unshare', '--user', '--map-root-user'];
const ALL_USERS = '<policy context="default"><allow user="*"/></policy>';

test.each([
  ['0 65534 1', 0, 65534],
  ['0 65534 1', 1, undefined],
  ['         0     100000      65536\n', 1000, 101000],
  ['0 1000 1\n1 100000 10', 5, 100004],
  ['0 0 4294967295', 1000, 1000],
  ['', 0, undefined],
])('in a namespace with the map %j, uid %i is %s outside', (map, inside, outside) => {
  expect(outsideUid(parseUidMap(map), inside)).toBe(outside);
});

const SOFTWARE = [
  needs('unshare', 'util-linux'),
  needs('setpriv', 'util-linux'),
  needs('dbus-send', 'dbus-bin'),
  needs(PYTHON, 'python3'),
];

describeWith(SOFTWARE, 'a client in a user namespace', () => {
  let bus: RunningBus;

  beforeEach(async (context) => {
    if (process.getuid!() !== 0) skipBecause(context, 'only root can become another user');
    const tried = await run('setpriv', [...IN_NAMESPACE, 'true'], {});
    if (tried.code !== 0) skipBecause(context, 'this kernel lets nobody have user namespaces');
    bus = await startBus({ config: sessionConfig('unix:dir=/tmp', ALL_USERS) });
  });
  afterEach(() => bus?.stop());

  test('is who the socket says, though it calls itself root', async () => {
    /* dbus-send asks for the uid of the only connection beside the bus: its own, the first. */
    const question = ['--print-reply=literal', '--dest=org.freedesktop.DBus', '/'];
    const { stdout, stderr } = await run(
      'setpriv',
      [
        ...IN_NAMESPACE,
        'dbus-send',
        `--bus=${bus.address}`,
        ...question,
        'org.freedesktop.DBus.GetConnectionUnixUser',
        'string::1.0',
      ],
      { env: bus.env },
    );
    expect({ stdout: stdout.trim(), stderr }).toEqual({ stdout: `uint32 ${NOBODY}`, stderr: '' });
  });

  test('cannot be a user that its namespace does not map to it', async () => {
    const path = /path=([^,]+)/u.exec(bus.address)![1];
    const talk = [
      'import socket, sys',
      's = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])',
      "s.sendall(b'\\0AUTH EXTERNAL ' + sys.argv[2].encode().hex().encode() + b'\\r\\n')",
      'print(s.recv(100).decode().split()[0])',
    ].join('\n');
    const claim = async (uid: string): Promise<string> =>
      (await run('setpriv', [...IN_NAMESPACE, PYTHON, '-c', talk, path, uid], {})).stdout.trim();
    expect(await claim('1')).toBe('REJECTED');
    expect(await claim('0')).toBe('OK');
    expect(await claim(`${NOBODY}`)).toBe('OK');
  });
});
