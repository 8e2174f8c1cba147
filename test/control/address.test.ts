import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { start } from '../support/process.js';
import { PYTHON, describeWith, needs } from '../support/software.js';
import {
  DAEMON,
  askForId,
  folderOfTest,
  openConfig,
  runDaemon,
  startDaemon,
  writeConfig,
} from './daemon.js';

const GUID = 'guid=[0-9a-f]{32}';

// Address (@ stands for a folder of the test), and what is printed.
const GOOD: readonly [string, string][] = [
  ['unix:path=@/bus', `unix:path=@/bus,${GUID}`],
  ['unix:path=@/with%20space', `unix:path=@/with%20space,${GUID}`],
  ['unix:dir=@', `unix:path=@/dbus-\\w{10},${GUID}`],
  ['unix:tmpdir=@', `unix:path=@/dbus-\\w{10},${GUID}`],
  ['unix:abstract=@/name', `unix:abstract=@/name,${GUID}`],
  ['unix:runtime=yes', `unix:path=@/bus,${GUID}`],
  ['tcp:', `tcp:host=localhost,port=\\d+,family=ipv[46],${GUID}`],
  ['tcp:host=127.0.0.1,port=0', `tcp:host=127.0.0.1,port=\\d+,family=ipv4,${GUID}`],
  ['tcp:host=localhost,bind=*,family=ipv4', `tcp:host=localhost,port=\\d+,family=ipv4,${GUID}`],
  [
    'nonce-tcp:host=127.0.0.1',
    `nonce-tcp:host=127.0.0.1,port=\\d+,family=ipv4,noncefile=\\S+/nonce,${GUID}`,
  ],
  ['unix:path=/nowhere/bus;unix:path=@/second', `unix:path=@/second,${GUID}`],
];

// Address, and what the one line on standard error has to say.
const BAD: readonly [string, RegExp][] = [
  ['nowhere', /no colon/],
  ['unix:path=@/not escaped', /not escaped/],
  ['launchd:env=X', /cannot listen on "launchd:env=X".*use unix, tcp/],
  ['unix:', /exactly one of path, dir, tmpdir, abstract, runtime/],
  ['unix:path=@/a,abstract=b', /exactly one of/],
  ['unix:runtime=no', /runtime can only be "yes"/],
  ['unix:path=/nowhere/bus', /ENOENT.*create the directory/],
  ['unix:path=@/bus.conf', /a file that is not a socket; remove it/],
  [`unix:path=@/${'x'.repeat(108)}`, /choose a shorter path/],
  ['tcp:port=65536', /port can be 0 \(any\) to 65535/],
  ['tcp:family=ipx', /family can be ipv4 or ipv6/],
  ['tcp:host=192.0.2.1', /EADDRNOTAVAIL.*choose an address that this machine has/],
  ['systemd:', /no sockets were passed/],
];

const client = [needs('dbus-send', 'dbus-bin')];

describeWith(client, 'an address to listen on', () => {
  test.each(GOOD)('%s', async (address, printed) => {
    const folder = folderOfTest();
    const config = writeConfig(
      folder,
      openConfig('<auth>EXTERNAL</auth><auth>DBUS_COOKIE_SHA1</auth>'),
    );
    const args = [`--address=${address.replaceAll('@', folder)}`];
    const daemon = await startDaemon({ folder, config, args });
    expect(daemon.address).toMatch(new RegExp(`^${printed.replaceAll('@', folder)}$`));
    const reply = await askForId(daemon.address, { ...process.env, HOME: folder });
    expect(reply.stderr).toBe('');
    const guid = /guid=(\w+)/.exec(daemon.address)![1];
    expect(reply.stdout.trim()).toBe(guid);
    expect((await daemon.program.stop()).code).toBe(0);
  });

  test('several <listen> elements are all listened on', async () => {
    const folder = folderOfTest();
    const listen = ['a', 'b'].map((name) => `<listen>unix:path=${folder}/${name}</listen>`);
    const { address } = await startDaemon({
      folder,
      config: writeConfig(folder, openConfig(listen.join(''))),
    });
    const each = address.split(';');
    expect(each).toHaveLength(2);
    for (const one of each) expect((await askForId(one)).code).toBe(0);
  });
});

test.each(BAD)('%s is refused in one line', async (address, reason) => {
  const folder = folderOfTest();
  const result = await runDaemon({
    folder,
    args: [`--address=${address.replaceAll('@', folder)}`],
  });
  /* an option without its value is a mistake of the command line */
  expect(result.code).toBe(address === '' ? 2 : 1);
  expect(result.stderr).toMatch(/^bus1-dbus-daemon: [^\n]+\n$/);
  expect(result.stderr).toMatch(reason);
  expect(result.stdout).toBe('');
});

test('unix:runtime=yes without XDG_RUNTIME_DIR is refused in one line', async () => {
  const folder = folderOfTest();
  const env = { XDG_RUNTIME_DIR: undefined };
  const result = await runDaemon({ folder, env, args: ['--address=unix:runtime=yes'] });
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(/^bus1-dbus-daemon: [^\n]*XDG_RUNTIME_DIR is not set[^\n]*\n$/);
});

test('a configuration without an address is refused', async () => {
  const result = await runDaemon({ folder: folderOfTest() });
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(/no address to listen on; add a <listen> element/);
});

describeWith(client, 'the file of a socket', () => {
  test('is replaced when the bus that made it is dead', async () => {
    const folder = folderOfTest();
    const args = [`--address=unix:path=${folder}/bus`];
    const first = await startDaemon({ folder, args });
    first.program.kill('SIGKILL');
    await first.program.ended;
    expect(existsSync(join(folder, 'bus'))).toBe(true);
    const second = await startDaemon({ folder, args });
    expect((await askForId(second.address)).code).toBe(0);
  });

  test('is left to a bus that lives', async () => {
    const folder = folderOfTest();
    const args = [`--address=unix:path=${folder}/bus`];
    const first = await startDaemon({ folder, args });
    const second = await runDaemon({ folder, args });
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/^[^\n]*another program listens there; stop it[^\n]*\n$/);
    expect((await askForId(first.address)).code).toBe(0);
  });

  test('lets everybody knock, and goes when the bus ends', async () => {
    const folder = folderOfTest();
    const { program } = await startDaemon({ folder, args: [`--address=unix:path=${folder}/bus`] });
    expect(statSync(join(folder, 'bus')).mode & 0o777).toBe(0o777);
    await program.stop();
    expect(existsSync(join(folder, 'bus'))).toBe(false);
  });

  test('stays when it is another one by then', async () => {
    const folder = folderOfTest();
    const { program } = await startDaemon({ folder, args: [`--address=unix:path=${folder}/bus`] });
    renameSync(join(folder, 'bus'), join(folder, 'old'));
    writeFileSync(join(folder, 'bus'), '');
    await program.stop();
    expect(existsSync(join(folder, 'bus'))).toBe(true);
  });
});

test('nonce-tcp hangs up on a client with a wrong nonce, and removes the file at the end', async () => {
  const folder = folderOfTest();
  const { program, address } = await startDaemon({
    folder,
    args: ['--address=nonce-tcp:host=127.0.0.1'],
  });
  const [, port, noncefile] = /port=(\d+).*noncefile=([^,]+)/.exec(address)!;
  const nonce = readFileSync(noncefile);
  nonce[15] ^= 1;
  const socket = createConnection(Number(port), '127.0.0.1');
  socket.write(Buffer.concat([nonce, Buffer.from('\0AUTH\r\n')]));
  let answer = '';
  socket.on('data', (data) => (answer += data.toString()));
  socket.on('error', () => {});
  await once(socket, 'close');
  expect(answer).toBe('');
  await program.stop();
  expect(existsSync(noncefile)).toBe(false);
});

// Does what a service manager does: a listening socket as descriptor 3, and LISTEN_PID.
const SOCKET_UNIT = `
import os, socket, sys
path, *command = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(command[0], command)
`;

describeWith([...client, needs(PYTHON, 'python3')], 'systemd:', () => {
  test.each(['--nofork', '--fork'])('takes the sockets in LISTEN_FDS, with %s', async (fork) => {
    const folder = folderOfTest();
    const socket = join(folder, 'bus');
    const pidFile = join(folder, 'pid');
    const unit = join(folder, 'unit.py');
    writeFileSync(unit, SOCKET_UNIT);
    const config = writeConfig(folder, openConfig(`<pidfile>${pidFile}</pidfile>`));
    const options = [`--config-file=${config}`, '--address=systemd:', '--print-address', fork];
    const program = start(PYTHON, [unit, socket, process.execPath, DAEMON, ...options]);
    const address = await program.waitForLine(/^/);
    expect(address).toMatch(new RegExp(`^unix:path=${socket},${GUID}$`));
    expect((await askForId(address)).code).toBe(0);
    process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM');
    expect((await program.ended).code).toBe(0);
    // The manager made the file, so the manager removes it.
    expect(existsSync(socket)).toBe(true);
  });
});
