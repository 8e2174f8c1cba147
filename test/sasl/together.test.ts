import { describe, expect, test } from 'vitest';
import { SaslClient } from '#bridge/sasl/client.js';
import type { MechanismName } from '#bridge/sasl/mechanism.js';
import { MECHANISMS } from '#bridge/sasl/mechanism.js';
import { SaslServer } from '#bridge/sasl/server.js';
import type { SaslServerOptions } from '#bridge/sasl/server.js';
import { COOKIES, GUID, countingBytes } from './conversation.js';

/** Lets the two talk until neither has anything to say. */
function connect(
  server: Partial<SaslServerOptions>,
  clientMechanisms: readonly MechanismName[],
  uid: number | undefined = 1000,
): { client: SaslClient; server: SaslServer } {
  const common = { randomBytes: countingBytes, cookies: COOKIES };
  const client = new SaslClient({
    ...common,
    mechanisms: clientMechanisms,
    uid,
    wantsUnixFds: true,
  });
  const peer = new SaslServer({
    ...common,
    guid: GUID,
    peerUid: 1000,
    canPassFds: true,
    ...server,
  });
  for (;;) {
    const request = client.takeOutput();
    if (request.length === 0) return { client, server: peer };
    expect(peer.feed(request, 0, request.length)).toBe(request.length);
    const reply = peer.takeOutput();
    expect(client.feed(reply, 0, reply.length)).toBe(reply.length);
  }
}

describe('client and server', () => {
  test.each(MECHANISMS)('agree by %s', (mechanism) => {
    const { client, server } = connect({ mechanisms: MECHANISMS }, [mechanism]);
    expect([client.isDone, server.isDone]).toEqual([true, true]);
    expect([client.hasUnixFds, server.hasUnixFds]).toEqual([true, true]);
    expect(client.guid).toBe(GUID);
    const uid = mechanism === 'ANONYMOUS' ? undefined : 1000;
    expect(server.identity).toEqual({ mechanism, uid });
  });

  test.each(MECHANISMS)('fall back to %s, the only one on offer', (mechanism) => {
    const { client, server } = connect({ mechanisms: [mechanism] }, MECHANISMS);
    expect([client.isDone, server.isDone]).toEqual([true, true]);
    expect(server.identity?.mechanism).toBe(mechanism);
  });

  test('agree without naming a uid', () => {
    const { server } = connect({}, ['EXTERNAL'], undefined);
    expect(server.identity).toEqual({ mechanism: 'EXTERNAL', uid: 1000 });
  });

  test('agree on a transport without descriptors', () => {
    const { client, server } = connect({ canPassFds: false }, ['EXTERNAL']);
    expect([client.isDone, server.isDone]).toEqual([true, true]);
    expect([client.hasUnixFds, server.hasUnixFds]).toEqual([false, false]);
  });

  test('part if they have no mechanism in common', () => {
    const { client, server } = connect({ mechanisms: ['EXTERNAL'] }, ['ANONYMOUS']);
    expect(client.failure).toEqual({
      code: 'rejected',
      message: 'the server refused ANONYMOUS and offers: EXTERNAL',
    });
    expect(server.isDone).toBe(false);
  });
});
