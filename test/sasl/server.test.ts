import { describe, expect, test } from 'vitest';
import { hashCookie } from '#bridge/sasl/cookie.js';
import { MECHANISMS } from '#bridge/sasl/mechanism.js';
import { SaslServer } from '#bridge/sasl/server.js';
import type { SaslServerOptions } from '#bridge/sasl/server.js';
import {
  CHALLENGE,
  COOKIE,
  COOKIES,
  GUID,
  countingBytes,
  feedText,
  hex,
  play,
  takeText,
  tidy,
} from './conversation.js';

const ALL = 'EXTERNAL DBUS_COOKIE_SHA1 ANONYMOUS';
const UID_1000 = hex('1000');
const UID_1001 = hex('1001');

function serverWith(options: Partial<SaslServerOptions> = {}): SaslServer {
  const server = new SaslServer({
    guid: GUID,
    mechanisms: MECHANISMS,
    peerUid: 1000,
    canPassFds: true,
    randomBytes: countingBytes,
    cookies: COOKIES,
    ...options,
  });
  feedText(server, '\0');
  return server;
}

const goodHash = hashCookie(CHALLENGE, 'abcd', COOKIE.secret);
const challengeLine = `DATA ${hex(`org_freedesktop_general 42 ${CHALLENGE}`)}`;

/** How a conversation ended: who the client is, or why not. */
type Outcome = 'open' | 'failed' | { mechanism: string; uid: number | undefined; fds: boolean };

const EXTERNAL = (fds: boolean): Outcome => ({ mechanism: 'EXTERNAL', uid: 1000, fds });

const CONVERSATIONS: [title: string, outcome: Outcome, script: string][] = [
  [
    'EXTERNAL with the uid',
    EXTERNAL(false),
    `
    > AUTH EXTERNAL ${UID_1000}
    < OK ${GUID}
    > BEGIN`,
  ],
  [
    'EXTERNAL with blanks in between',
    EXTERNAL(false),
    `
    > AUTH \t EXTERNAL \t ${UID_1000}
    < OK ${GUID}
    > BEGIN`,
  ],
  [
    'EXTERNAL, asked for the uid',
    EXTERNAL(false),
    `
    > AUTH EXTERNAL
    < DATA
    > DATA ${UID_1000}
    < OK ${GUID}
    > BEGIN`,
  ],
  [
    'EXTERNAL, whoever the socket says',
    EXTERNAL(false),
    `
    > AUTH EXTERNAL
    < DATA
    > DATA
    < OK ${GUID}
    > BEGIN`,
  ],
  [
    'EXTERNAL as somebody else',
    'open',
    `
    > AUTH EXTERNAL ${UID_1001}
    < REJECTED ${ALL}
    > AUTH EXTERNAL
    < DATA
    > DATA ${UID_1001}
    < REJECTED ${ALL}`,
  ],
  [
    'EXTERNAL with what is no uid',
    'open',
    `
    > AUTH EXTERNAL ${hex('alice')}
    < REJECTED ${ALL}
    > AUTH EXTERNAL ${hex('-1')}
    < REJECTED ${ALL}
    > AUTH EXTERNAL ${hex('4294967295')}
    < REJECTED ${ALL}
    > AUTH EXTERNAL ${hex('0x3e8 ')}
    < REJECTED ${ALL}
    > AUTH EXTERNAL ${hex('1000 ')}
    < REJECTED ${ALL}`,
  ],
  [
    'file descriptors',
    EXTERNAL(true),
    `
    > AUTH EXTERNAL ${UID_1000}
    < OK ${GUID}
    > NEGOTIATE_UNIX_FD
    < AGREE_UNIX_FD
    > BEGIN`,
  ],
  [
    'file descriptors before authentication',
    'open',
    `
    > NEGOTIATE_UNIX_FD
    < ERROR "Need to authenticate first"
    > AUTH EXTERNAL
    < DATA
    > NEGOTIATE_UNIX_FD
    < ERROR "Need to authenticate first"`,
  ],
  [
    'file descriptors are forgotten with the authentication',
    EXTERNAL(false),
    `
    > AUTH EXTERNAL ${UID_1000}
    < OK ${GUID}
    > NEGOTIATE_UNIX_FD
    < AGREE_UNIX_FD
    > CANCEL
    < REJECTED ${ALL}
    > AUTH EXTERNAL ${UID_1000}
    < OK ${GUID}
    > BEGIN`,
  ],
  [
    'ANONYMOUS',
    { mechanism: 'ANONYMOUS', uid: undefined, fds: false },
    `
    > AUTH ANONYMOUS ${hex('me@example.com')}
    < OK ${GUID}
    > BEGIN`,
  ],
  [
    'ANONYMOUS without a trace',
    { mechanism: 'ANONYMOUS', uid: undefined, fds: false },
    `
    > AUTH ANONYMOUS
    < OK ${GUID}
    > BEGIN`,
  ],
  [
    'ANONYMOUS with a trace that is not UTF-8',
    'open',
    `
    > AUTH ANONYMOUS ff
    < REJECTED ${ALL}`,
  ],
  [
    'a cookie',
    { mechanism: 'DBUS_COOKIE_SHA1', uid: 1000, fds: false },
    `
    > AUTH DBUS_COOKIE_SHA1 ${hex('1000')}
    < ${challengeLine}
    > DATA ${hex(`abcd ${goodHash}`)}
    < OK ${GUID}
    > BEGIN`,
  ],
  [
    'a cookie by name',
    { mechanism: 'DBUS_COOKIE_SHA1', uid: 1000, fds: false },
    `
    > AUTH DBUS_COOKIE_SHA1 ${hex('alice')}
    < ${challengeLine}
    > DATA ${hex(`abcd ${goodHash}`)}
    < OK ${GUID}
    > BEGIN`,
  ],
  [
    'a cookie that the client does not have',
    'open',
    `
    > AUTH DBUS_COOKIE_SHA1 ${hex('1000')}
    < ${challengeLine}
    > DATA ${hex(`abcd ${'0'.repeat(40)}`)}
    < REJECTED ${ALL}
    > AUTH DBUS_COOKIE_SHA1 ${hex('1000')}
    < ${challengeLine}
    > DATA ${hex('abcd')}
    < REJECTED ${ALL}
    > AUTH DBUS_COOKIE_SHA1 ${hex('1000')}
    < ${challengeLine}
    > DATA ${hex(`abcd ${'\u00e9'.repeat(20)}`)}
    < REJECTED ${ALL}
    > AUTH DBUS_COOKIE_SHA1 ${hex('1000')}
    < ${challengeLine}
    > DATA
    < REJECTED ${ALL}`,
  ],
  [
    'a cookie for somebody else',
    'open',
    `
    > AUTH DBUS_COOKIE_SHA1 ${hex('bob')}
    < REJECTED ${ALL}
    > AUTH DBUS_COOKIE_SHA1
    < REJECTED ${ALL}`,
  ],
  [
    'asked what there is',
    'open',
    `
    > AUTH
    < REJECTED ${ALL}
    > AUTH KERBEROS_V4
    < REJECTED ${ALL}
    > AUTH external ${UID_1000}
    < REJECTED ${ALL}`,
  ],
  [
    'a mechanism after another',
    EXTERNAL(false),
    `
    > AUTH DBUS_COOKIE_SHA1 ${hex('bob')}
    < REJECTED ${ALL}
    > AUTH EXTERNAL ${UID_1000}
    < OK ${GUID}
    > BEGIN`,
  ],
  [
    'commands that do not exist',
    'open',
    `
    > FOO
    < ERROR "Unknown command"
    > auth
    < ERROR "Unknown command"
    >  AUTH
    < ERROR "Unknown command"
    > OK
    < ERROR "Unknown command"
    > REJECTED
    < ERROR "Unknown command"
    > AGREE_UNIX_FD
    < ERROR "Unknown command"
    > \xff
    < ERROR "Command contained non-ASCII"
    > AUTH\0
    < ERROR "Command contained non-ASCII"`,
  ],
  [
    'commands out of place: nothing has begun',
    'open',
    `
    > DATA
    < ERROR "Not currently in an auth conversation"
    > CANCEL
    < ERROR "Not currently in an auth conversation"
    > ERROR
    < REJECTED ${ALL}`,
  ],
  [
    'commands out of place: data is expected',
    'open',
    `
    > AUTH EXTERNAL
    < DATA
    > AUTH EXTERNAL
    < ERROR "Sent AUTH while another AUTH in progress"
    > FOO
    < ERROR "Unknown command"
    > CANCEL
    < REJECTED ${ALL}
    > AUTH EXTERNAL
    < DATA
    > ERROR "no"
    < REJECTED ${ALL}`,
  ],
  [
    'commands out of place: BEGIN is expected',
    EXTERNAL(false),
    `
    > AUTH EXTERNAL ${UID_1000}
    < OK ${GUID}
    > AUTH EXTERNAL
    < ERROR "Sent AUTH while expecting BEGIN"
    > DATA
    < ERROR "Sent DATA while expecting BEGIN"
    > FOO
    < ERROR "Unknown command"
    > BEGIN`,
  ],
  [
    'data that is not hexadecimal',
    'open',
    `
    > AUTH EXTERNAL zz
    < ERROR "Invalid hex encoding"
    > DATA
    < ERROR "Not currently in an auth conversation"
    > AUTH EXTERNAL 313
    < ERROR "Invalid hex encoding"
    > AUTH EXTERNAL
    < DATA
    > DATA 3 1
    < ERROR "Invalid hex encoding"
    > DATA ${UID_1000}
    < OK ${GUID}`,
  ],
  ['BEGIN at the beginning', 'failed', '> BEGIN'],
  [
    'BEGIN in the middle',
    'failed',
    `
    > AUTH EXTERNAL
    < DATA
    > BEGIN`,
  ],
  [
    'BEGIN after a rejection',
    'failed',
    `
    > AUTH EXTERNAL ${UID_1000}
    < OK ${GUID}
    > ERROR
    < REJECTED ${ALL}
    > BEGIN`,
  ],
  [
    'the sixth rejection is the last',
    'failed',
    `
    > AUTH
    < REJECTED ${ALL}
    > AUTH
    < REJECTED ${ALL}
    > AUTH
    < REJECTED ${ALL}
    > AUTH
    < REJECTED ${ALL}
    > AUTH
    < REJECTED ${ALL}
    > AUTH
    < REJECTED ${ALL}
    > AUTH EXTERNAL ${UID_1000}`,
  ],
];

function outcomeOf(server: SaslServer): Outcome {
  if (server.failure !== undefined) return 'failed';
  const { identity } = server;
  return identity === undefined ? 'open' : { ...identity, fds: server.hasUnixFds };
}

describe('the server', () => {
  test.each(CONVERSATIONS)('%s', (_, outcome, script) => {
    const server = serverWith();
    expect(play(server, script)).toBe(tidy(script));
    expect(outcomeOf(server)).toEqual(outcome);
  });

  test('offers what it is told to, in its own order', () => {
    const offer = (options: Partial<SaslServerOptions>): string =>
      play(serverWith(options), '> AUTH').split('\n')[1];
    expect(offer({ mechanisms: ['ANONYMOUS', 'EXTERNAL'] })).toBe('< REJECTED EXTERNAL ANONYMOUS');
    expect(offer({ mechanisms: ['EXTERNAL'] })).toBe('< REJECTED EXTERNAL');
    expect(offer({ mechanisms: [] })).toBe('< REJECTED');
  });

  test('refuses what it does not offer', () => {
    const server = serverWith({ mechanisms: ['EXTERNAL'] });
    const script = `
      > AUTH ANONYMOUS
      < REJECTED EXTERNAL
      > AUTH DBUS_COOKIE_SHA1 ${hex('1000')}
      < REJECTED EXTERNAL`;
    expect(play(server, script)).toBe(tidy(script));
  });

  test('has no EXTERNAL without credentials of the socket', () => {
    const server = serverWith({ peerUid: undefined });
    expect(play(server, `> AUTH EXTERNAL ${UID_1000}`)).toContain('< REJECTED');
    expect(play(server, '> AUTH EXTERNAL')).toContain('< REJECTED');
    expect(server.lastRejection).toBe('EXTERNAL: the socket has no credentials');
  });

  test('knows the superuser', () => {
    const server = serverWith({ peerUid: 0 });
    play(
      server,
      `
      > AUTH EXTERNAL ${hex('0')}
      > BEGIN`,
    );
    expect(server.identity).toEqual({ mechanism: 'EXTERNAL', uid: 0 });
  });

  test('passes no descriptors over a transport that cannot', () => {
    const server = serverWith({ canPassFds: false });
    const script = `
      > AUTH EXTERNAL ${UID_1000}
      < OK ${GUID}
      > NEGOTIATE_UNIX_FD
      < ERROR "Unix FD passing not supported, not authenticated or otherwise not possible"
      > BEGIN`;
    expect(play(server, script)).toBe(tidy(script));
    expect(outcomeOf(server)).toEqual(EXTERNAL(false));
  });

  test('takes a uid from inside a user namespace only with proof, and keeps the outer one', () => {
    const server = serverWith({ peerUid: 100_000, mapsTo: (claimed) => claimed === 0 });
    expect(play(server, `> AUTH EXTERNAL ${UID_1000}`)).toContain('< REJECTED');
    expect(play(server, `> AUTH EXTERNAL ${hex('0')}\n> BEGIN`)).toContain('< OK');
    expect(server.identity).toEqual({ mechanism: 'EXTERNAL', uid: 100_000 });
  });

  test('rejects with a reason for the log if the cookies cannot be had', () => {
    const cookies = { ...COOKIES, issue: () => new Error('/home/alice/.dbus-keyrings is full') };
    const server = serverWith({ cookies });
    expect(play(server, `> AUTH DBUS_COOKIE_SHA1 ${hex('1000')}`)).toContain('< REJECTED');
    expect(server.lastRejection).toBe('DBUS_COOKIE_SHA1: /home/alice/.dbus-keyrings is full');
  });

  test('says who claims to be whom', () => {
    const server = serverWith();
    play(server, `> AUTH EXTERNAL ${UID_1001}`);
    expect(server.lastRejection).toBe('EXTERNAL: the client says uid 1001, its socket says 1000');
  });
});

describe('the stream of bytes', () => {
  const hello = `AUTH EXTERNAL ${UID_1000}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n`;

  function fresh(): SaslServer {
    return new SaslServer({
      guid: GUID,
      peerUid: 1000,
      canPassFds: true,
      randomBytes: countingBytes,
    });
  }

  test('begins with a NUL byte', () => {
    const server = fresh();
    feedText(server, 'AUTH\r\n');
    expect(server.failure?.code).toBe('credentials-byte-missing');
    expect(takeText(server)).toBe('');
  });

  test('may be cut anywhere', () => {
    const bytes = Buffer.from(`\0${hello}`);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const server = fresh();
      expect(server.feed(bytes, 0, cut)).toBe(cut);
      expect(server.feed(bytes, cut, bytes.length)).toBe(bytes.length - cut);
      expect(takeText(server)).toBe(`OK ${GUID}\r\nAGREE_UNIX_FD\r\n`);
      expect(server.isDone).toBe(true);
    }
  });

  test('is left alone behind BEGIN: there the messages begin', () => {
    const server = fresh();
    expect(feedText(server, `\0${hello}l\u0001\0\u0001AUTH\r\n`)).toBe(hello.length + 1);
    expect(feedText(server, 'l\u0001')).toBe(0);
  });

  test('may have lines of 16 KiB, and no longer', () => {
    const line = (length: number): string => `${'A'.repeat(length - 2)}\r\n`;
    const server = fresh();
    feedText(server, `\0${line(16_384)}`);
    expect(takeText(server)).toBe('ERROR "Unknown command"\r\n');
    feedText(server, line(16_385));
    expect(server.failure).toMatchObject({ code: 'line-too-long' });
  });

  test('ends lines with CR LF, not with either of them', () => {
    const server = fresh();
    feedText(server, `\0AUTH EXTERNAL ${UID_1000}\n\r`);
    expect(takeText(server)).toBe('');
    feedText(server, '\r\n');
    expect(takeText(server)).toBe('ERROR "Invalid hex encoding"\r\n');
  });
});
