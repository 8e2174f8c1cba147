// Circumstances that a C daemon takes in its stride: each row is run with dbus-daemon and with ours, as bash would
// start them. Both answer, and end by SIGTERM; or neither starts.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { busCommand, openFolder } from '../support/bus-command.js';
import { cleanEnvironment, sessionConfig } from '../support/bus.js';
import { start } from '../support/process.js';
import { describeWith, needs } from '../support/software.js';
import { waitForSocket } from '../uplink/wait-for-socket.js';
import { ErrorReply, RawClient } from '../support/raw-client.js';

/** `$BUS` is the program with its options, `$CONFIG` its configuration; what the text does not set is as usual. */
const ROWS: readonly (readonly [title: string, text: string])[] = [
  ['nothing special', 'exec $BUS --config-file=$CONFIG'],
  ['standard streams that are closed', 'exec $BUS --config-file=$CONFIG <&- >&- 2>&-'],
  ['standard output that is full', 'exec $BUS --config-file=$CONFIG --print-address >/dev/full'],
  ['a descriptor to print to that is closed', 'exec $BUS --config-file=$CONFIG --print-address=77'],
  ['no environment', 'exec env -i $BUS --config-file=$CONFIG'],
  ['a home that is relative', 'HOME=x exec $BUS --config-file=$CONFIG'],
  ['a temporary folder that is missing', 'TMPDIR=/nonexistent exec $BUS --config-file=$CONFIG'],
  ['a time zone that cannot be', 'TZ=:/etc/shadow exec $BUS --config-file=$CONFIG'],
  ['a mask that forbids everything', 'umask 0777; exec $BUS --config-file=$CONFIG'],
  ['SIGTERM ignored', "trap '' TERM; exec $BUS --config-file=$CONFIG"],
  ['SIGHUP and SIGPIPE ignored', "trap '' HUP PIPE; exec $BUS --config-file=$CONFIG"],
  ['signals blocked', 'exec env --block-signal=CHLD,HUP,PIPE,USR1,USR2 $BUS --config-file=$CONFIG'],
  ['SIGCHLD ignored', "trap '' CHLD; exec $BUS --config-file=$CONFIG"],
  ['48 descriptors', 'ulimit -n 48; exec $BUS --config-file=$CONFIG'],
  ['a small stack', 'ulimit -s 256; exec $BUS --config-file=$CONFIG'],
  ['a stack without end', 'ulimit -s unlimited; exec $BUS --config-file=$CONFIG'],
  /* V8 reserves up to 512 MiB for the code of each thread, from Node 24 on as data */
  ['little data', 'ulimit -d 1600000; exec $BUS --config-file=$CONFIG'],
  ['no locked memory', 'ulimit -l 0; exec $BUS --config-file=$CONFIG'],
  ['no pending signals', 'ulimit -i 0; exec $BUS --config-file=$CONFIG'],
  ['LISTEN_FDS that is no number', 'LISTEN_FDS=x LISTEN_PID=$$ exec $BUS --config-file=$CONFIG'],
  ['LISTEN_FDS of another process', 'LISTEN_FDS=1 LISTEN_PID=1 exec $BUS --config-file=$CONFIG'],
  [
    'LISTEN_FDS that are no sockets',
    'exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec $BUS --config-file=$CONFIG --address=systemd:',
  ],
  ['LISTEN_FDS that are closed', 'LISTEN_FDS=40 LISTEN_PID=$$ exec $BUS --config-file=$CONFIG'],
  ['a locale that cannot be', 'LC_ALL=xx_YY.x LANGUAGE=%n exec $BUS --config-file=$CONFIG'],
  ['NOTIFY_SOCKET that is missing', 'NOTIFY_SOCKET=/nonexistent exec $BUS --config-file=$CONFIG'],
  ['NOTIFY_SOCKET that is no path', 'NOTIFY_SOCKET=x exec $BUS --config-file=$CONFIG'],
  ['WATCHDOG_USEC that is no number', 'WATCHDOG_USEC=x exec $BUS --config-file=$CONFIG'],
  [
    'a folder that is gone',
    'mkdir gone && cd gone && rmdir ../gone && exec $BUS --config-file=$CONFIG',
  ],
  ['an empty address', 'exec $BUS --config-file=$CONFIG --address='],
  ['an empty descriptor', 'exec $BUS --config-file=$CONFIG --print-address='],
  ['two addresses', 'exec $BUS --config-file=$CONFIG --address=unix:dir=. --address=unix:dir=.'],
  ['two configurations', 'exec $BUS --config-file=$CONFIG --config-file=$CONFIG'],
  ['a word too many', 'exec $BUS --config-file=$CONFIG word'],
  ['--nofork twice', 'exec $BUS --config-file=$CONFIG --nofork'],
  ['lines that end with CR and LF', "sed 's/$/\\r/' $CONFIG > c; exec $BUS --config-file=c"],
  ['a byte order mark', "(printf '\\357\\273\\277'; cat $CONFIG) > c; exec $BUS --config-file=c"],
  [
    'bytes that are no UTF-8',
    "(cat $CONFIG; printf '<!-- \\351 -->') > c; exec $BUS --config-file=c",
  ],
  [
    'a character by its number',
    "sed 's/session</sess\\&#105;on</' $CONFIG > c; exec $BUS --config-file=c",
  ],
  ['a folder as configuration', 'exec $BUS --config-file=.'],
  ['a configuration that is empty', ': > c; exec $BUS --config-file=c'],
];

const DAEMONS = [['dbus-daemon'], busCommand()];

/** 'answers', and its exit status after SIGTERM; or 'does not start'. */
async function outcome(command: readonly string[], text: string): Promise<string> {
  const folder = openFolder('circumstances-');
  mkdirSync(join(folder, 'here'));
  const socket = join(folder, 'bus');
  const config = join(folder, 'bus.conf');
  writeFileSync(config, sessionConfig(`unix:path=${socket}`));
  const words = [...command, '--nofork'].map((word) => `'${word}'`).join(' ');
  const env = { ...cleanEnvironment(folder), CONFIG: config };
  const script = text.replaceAll('$BUS', words);
  const program = start('bash', ['-c', script], { env, cwd: join(folder, 'here') });
  let hasEnded = false;
  const ended = program.ended.finally(() => (hasEnded = true));
  await waitForSocket(socket, () => hasEnded);
  try {
    const client = new RawClient(`unix:path=${socket}`).authenticate();
    client.callBus('Hello');
    reload(client);
    client.close();
  } catch {
    /* some find out only when they listen already */
    await ended;
    return 'does not start';
  }
  const { code } = await program.stop();
  return `answers, ends with ${code}`;
}

/** Asks what is answered, with success or not, once the start is over: what is printed last may end the bus. */
function reload(client: RawClient): void {
  try {
    client.callBus('ReloadConfig');
  } catch (error) {
    if (!(error instanceof ErrorReply)) throw error;
  }
}

describeWith([needs('dbus-daemon', 'dbus-daemon')], 'as dbus-daemon does, ours starts with', () => {
  const seen = new Set<string>();

  test.each(ROWS)('%s', async (_title, text) => {
    const [theirs, ours] = await Promise.all(DAEMONS.map((command) => outcome(command, text)));
    seen.add(theirs);
    expect(ours).toBe(theirs);
  });

  test('all that can be', () => {
    expect([...seen].toSorted()).toEqual(['answers, ends with 0', 'does not start']);
  });
});
