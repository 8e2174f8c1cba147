// What a native peer believes of a message of another process that no host of the bus has seen.
import { describe, expect, test } from 'vitest';

import { IncomingHeaders, type IncomingHeader } from '#bridge/client/incoming-header.js';
import { Senders } from '#bridge/client/senders.js';
import type { Transport } from '#bridge/client/transport.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { ClientPolicies, compileFacet, Flow, type FacetData } from '#policy/index.js';
import { readDefaultRules } from '../policy/memory-io.js';

const BUS = 1;
const PEER = 7;
const OTHER = 8;

const transport = {
  identityOf: (process: number) => ({ pid: 1, uid: 1, isTrusted: process === BUS }),
} as unknown as Transport;

const facet = (rules: string): FacetData => {
  const policies = new ClientPolicies(readDefaultRules(rules));
  const policy = policies.for({ uid: 1, gids: [], atConsole: false });
  const party = { policy, names: new Set<string>() };
  /* it has crossed a process boundary */
  return JSON.parse(JSON.stringify(compileFacet(party, party, Flow.Directed)!.data)) as FacetData;
};

const OPEN = '<allow send_destination="*"/><allow eavesdrop="true"/>';
const NO_HIDDEN = facet(`${OPEN}<deny send_interface="a.b" send_member="Hidden"/>`);
const NO_SECRET = facet(`${OPEN}<deny send_interface="a.b" send_member="Secret"/>`);

function call(member: string, sender?: string): IncomingHeader {
  const bytes = encodeMessage(
    { type: MessageType.MethodCall, serial: 1, path: '/', interface: 'a.b', member, sender },
    [],
  );
  return new IncomingHeaders().read(bytes, new DataView(bytes.buffer), bytes.length)!;
}

function answer(errorName: string, sender: string): IncomingHeader {
  const bytes = encodeMessage(
    { type: MessageType.Error, serial: 1, replySerial: 1, errorName, sender },
    [],
  );
  return new IncomingHeaders().read(bytes, new DataView(bytes.buffer), bytes.length)!;
}

describe('a message to a name of a native peer', () => {
  const introduced = (): Senders => {
    const senders = new Senders(transport);
    senders.introduce({ name: ':1.5', process: PEER, facet: NO_HIDDEN, replyFacet: null });
    senders.introduce({ name: ':1.6', process: PEER, facet: NO_SECRET, replyFacet: null });
    senders.takeStrangers(false);
    return senders;
  };

  test.each([
    ['within the rights of its sender', PEER, ':1.5', 'Secret', true],
    ['beyond them', PEER, ':1.5', 'Hidden', false],
    ['within those of another name of the process', PEER, ':1.6', 'Hidden', true],
    ['with the name of somebody else', PEER, ':1.9', 'Hidden', false],
    ['with no name, beyond the rights of one of them', PEER, undefined, 'Secret', false],
    ['with no name, within the rights of all', PEER, undefined, 'Plain', true],
    ['of a process that nobody has introduced', OTHER, ':1.5', 'Plain', false],
    ['of the bus, which has judged it', BUS, ':1.5', 'Hidden', true],
    ['of this process', 0, ':1.5', 'Hidden', true],
  ] as const)('%s', (_title, origin, sender, member, passes) => {
    const refusal = introduced().refusal(call(member, sender), origin);
    expect(refusal?.why.startsWith('Rejected send message: ') ?? 'passes').toBe(
      passes ? 'passes' : true,
    );
  });

  test('is judged anew when the rights of its sender change', () => {
    const senders = introduced();
    const header = call('Hidden', ':1.5');
    expect(senders.refusal(header, PEER)?.why).toContain('<deny send_interface="a.b"');
    senders.introduce({ name: ':1.5', process: PEER, facet: null, replyFacet: null });
    expect(senders.refusal(header, PEER)).toBeUndefined();
  });

  test('is no way to have an answer judged beforehand', () => {
    const senders = new Senders(transport);
    const policies = new ClientPolicies(
      readDefaultRules(`${OPEN}<deny send_error="a.b.Kept" send_requested_reply="true"/>`),
    );
    const policy = policies.for({ uid: 1, gids: [], atConsole: false });
    const party = { policy, names: new Set<string>() };
    const replyFacet = compileFacet(party, party, Flow.RequestedReply)!.data;
    senders.introduce({ name: ':1.5', process: PEER, facet: null, replyFacet });
    const header = answer('a.b.Kept', ':1.5');
    /* the same header comes to a name first, and then where an answer is awaited */
    for (let i = 0; i < 2; i++) expect(senders.refusal(header, PEER)?.why).toContain('a.b.Kept');
    expect(senders.refusal(answer('a.b.Other', ':1.5'), PEER)).toBeUndefined();
  });

  test('needs no introduction where nothing can be denied', () => {
    const senders = new Senders(transport);
    expect(senders.refusal(call('Plain'), OTHER)).toBeUndefined();
  });
});
