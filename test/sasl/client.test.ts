import { describe, expect, test } from 'vitest';
import { SaslClient } from '#bridge/sasl/client.js';
import type { SaslClientOptions } from '#bridge/sasl/client.js';
import { hashCookie } from '#bridge/sasl/cookie.js';
import { MECHANISMS } from '#bridge/sasl/mechanism.js';
import {
  CHALLENGE,
  COOKIE,
  COOKIES,
  GUID,
  OTHER_GUID,
  countingBytes,
  feedText,
  hex,
  play,
  takeText,
  tidy,
} from './conversation.js';

const UID_1000 = hex('1000');

function clientWith(options: Partial<SaslClientOptions> = {}): SaslClient {
  return new SaslClient({
    mechanisms: MECHANISMS,
    uid: 1000,
    wantsUnixFds: true,
    randomBytes: countingBytes,
    cookies: COOKIES,
    ...options,
  });
}

const cookieAnswer = hex(`${CHALLENGE} ${hashCookie('5e1f', CHALLENGE, COOKIE.secret)}`);

type Outcome = 'open' | 'done' | 'done, with descriptors' | 'rejected' | 'protocol-violation';

const CONVERSATIONS: [title: string, outcome: Outcome, script: string][] = [
  [
    'EXTERNAL',
    'done, with descriptors',
    `
    < AUTH EXTERNAL ${UID_1000}
    > OK ${GUID}
    < NEGOTIATE_UNIX_FD
    > AGREE_UNIX_FD
    < BEGIN`,
  ],
  [
    'no descriptors from this server',
    'done',
    `
    < AUTH EXTERNAL ${UID_1000}
    > OK ${GUID}
    < NEGOTIATE_UNIX_FD
    > ERROR "not on TCP"
    < BEGIN`,
  ],
  [
    'EXTERNAL, asked for the uid all the same',
    'open',
    `
    < AUTH EXTERNAL ${UID_1000}
    > DATA
    < DATA ${UID_1000}`,
  ],
  [
    'a cookie after EXTERNAL',
    'done',
    `
    < AUTH EXTERNAL ${UID_1000}
    > REJECTED DBUS_COOKIE_SHA1 KERBEROS_V4
    < AUTH DBUS_COOKIE_SHA1 ${UID_1000}
    > DATA ${hex('org_freedesktop_general 42 5e1f')}
    < DATA ${cookieAnswer}
    > OK ${GUID}
    < NEGOTIATE_UNIX_FD
    > ERROR
    < BEGIN`,
  ],
  [
    'ANONYMOUS at last',
    'open',
    `
    < AUTH EXTERNAL ${UID_1000}
    > REJECTED ANONYMOUS
    < AUTH ANONYMOUS ${hex('bus1-bridge')}
    > DATA
    < DATA`,
  ],
  [
    'only what the server offers',
    'rejected',
    `
    < AUTH EXTERNAL ${UID_1000}
    > REJECTED KERBEROS_V4`,
  ],
  [
    'each mechanism once',
    'rejected',
    `
    < AUTH EXTERNAL ${UID_1000}
    > REJECTED EXTERNAL ANONYMOUS
    < AUTH ANONYMOUS ${hex('bus1-bridge')}
    > REJECTED EXTERNAL ANONYMOUS`,
  ],
  [
    'an error ends a mechanism',
    'open',
    `
    < AUTH EXTERNAL ${UID_1000}
    > ERROR "I do not feel like it"
    < CANCEL
    > REJECTED ANONYMOUS
    < AUTH ANONYMOUS ${hex('bus1-bridge')}`,
  ],
  [
    'an answer to CANCEL that is none',
    'protocol-violation',
    `
    < AUTH EXTERNAL ${UID_1000}
    > ERROR
    < CANCEL
    > OK ${GUID}`,
  ],
  [
    'a guid that is none',
    'protocol-violation',
    `
    < AUTH EXTERNAL ${UID_1000}
    > OK 0123`,
  ],
  [
    'commands that a server does not send',
    'open',
    `
    < AUTH EXTERNAL ${UID_1000}
    > BEGIN
    < ERROR "Unknown command"
    > OK ${GUID}
    < NEGOTIATE_UNIX_FD
    > OK ${GUID}
    < ERROR "Unknown command"`,
  ],
  [
    'data that is not hexadecimal',
    'open',
    `
    < AUTH EXTERNAL ${UID_1000}
    > DATA xyz
    < ERROR "Invalid hex encoding"`,
  ],
];

const BAD_COOKIES: [title: string, challenge: string, error: string][] = [
  ['no challenge', 'org_freedesktop_general 42', 'is not a context, a cookie id and a challenge'],
  ['no number', 'org_freedesktop_general x 5e1f', 'is not a context, a cookie id and a challenge'],
  ['another file', '../.ssh 42 5e1f', 'The cookie context is invalid'],
  ['an unknown context', 'org_example 42 5e1f', 'There is no cookie 42 in org_example'],
  ['an unknown cookie', 'org_freedesktop_general 43 5e1f', 'There is no cookie 43'],
];

function outcomeOf(client: SaslClient): string {
  if (client.failure !== undefined) return client.failure.code;
  if (!client.isDone) return 'open';
  return client.hasUnixFds ? 'done, with descriptors' : 'done';
}

describe('the client', () => {
  test.each(CONVERSATIONS)('%s', (_, outcome, script) => {
    const client = clientWith();
    expect(play(client, script)).toBe(tidy(script));
    expect(outcomeOf(client)).toBe(outcome);
  });

  test('begins with a NUL byte', () => {
    expect(takeText(clientWith())).toBe(`\0AUTH EXTERNAL ${UID_1000}\r\n`);
  });

  test('in a user namespace leaves the uid to the socket', () => {
    const script = `
      < AUTH EXTERNAL
      > DATA
      < DATA
      > OK ${GUID}
      < NEGOTIATE_UNIX_FD`;
    expect(play(clientWith({ uid: undefined }), script)).toBe(tidy(script));
  });

  test('asks for no descriptors if it wants none', () => {
    const client = clientWith({ wantsUnixFds: false });
    const script = `
      < AUTH EXTERNAL ${UID_1000}
      > OK ${GUID}
      < BEGIN`;
    expect(play(client, script)).toBe(tidy(script));
    expect([client.guid, client.mechanism]).toEqual([GUID, 'EXTERNAL']);
  });

  test('insists on the guid of the address', () => {
    const client = clientWith({ expectedGuid: OTHER_GUID });
    play(client, `> OK ${GUID}`);
    expect(client.failure).toEqual({
      code: 'guid-mismatch',
      message: `the address names the server ${OTHER_GUID}, but this is ${GUID}`,
    });
  });

  test.each(BAD_COOKIES)('answers no challenge with %s', (_, challenge, error) => {
    const client = clientWith({ mechanisms: ['DBUS_COOKIE_SHA1'] });
    expect(play(client, `> DATA ${hex(challenge)}`)).toContain(`< ERROR "`);
    const again = clientWith({ mechanisms: ['DBUS_COOKIE_SHA1'] });
    expect(play(again, `> DATA ${hex(challenge)}`)).toContain(error);
  });

  test('has nothing to say without a mechanism', () => {
    const client = clientWith({ mechanisms: [] });
    expect(takeText(client)).toBe('');
    expect(client.failure?.code).toBe('rejected');
  });

  test('leaves the messages behind the last line to its caller', () => {
    const client = clientWith();
    feedText(client, `OK ${GUID}\r\n`);
    expect(feedText(client, 'AGREE_UNIX_FD\r\nl\u0002')).toBe('AGREE_UNIX_FD\r\n'.length);
    expect(client.isDone).toBe(true);
  });
});
