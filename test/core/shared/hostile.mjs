// A process that joins a shared domain and then breaks its rules, in the way that its first argument names.
import {
  createMemfd,
  sealMemfd,
  Seal,
  sendBytes,
  setNonBlocking,
  socketPair,
} from '#core/linux/index.js';
import { LocalDomain, Message, NewNode, ResourceUser } from '#core/index.js';
import { allocateBytes } from '#core/linux/index.js';
import { SharedDomain } from '#core/shared/index.js';
import {
  ASK_BYTES,
  CLAIM_BYTES,
  CLAIMED_ID,
  CLAIMS_MAX,
  ClaimOffset,
  CREDIT_BYTES,
  CreditOffset,
  EntryOffset,
  EntryType,
  GRANT_BYTES,
  GrantOffset,
  IDLE_ENTRIES_MAX,
  INVENTED_MAX,
  MessageOffset,
  RELEASE_BYTES,
  ReleaseOffset,
  ROOT_ID,
  SWITCH_BYTES,
  SwitchOffset,
  VAIN_CLAIMS_MAX,
} from '#core/shared/layout.js';

const [, , attack, path, seedText] = process.argv;
const maxima = { objects: 2 ** 16, bytes: 2 ** 26, descriptors: 64 };
let state = Number(seedText) >>> 0;
const random = (limit) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
};

/** Processes of the domain, in the order in which they were admitted. */
const SERVICE = 1;
const BYSTANDER = 2;

const local = new LocalDomain();
const domain = SharedDomain.join(path, { local, maxima });
if (!domain.awaitReady(10_000)) throw new Error('not admitted');
const peer = local.openPeer({ user: new ResourceUser(process.getuid(), maxima) });
const root = domain.copyRoot(peer);
const { link, channel } = domain.connections.all[0];
const { writer } = channel;
const header = new Int32Array(writer.bytes.buffer, writer.bytes.byteOffset - 256, 64);

/** Writes an entry that looks right, but for what `spoil` does to it, and keeps it back if there is room for more. */
function write(type, length, spoil) {
  let at;
  while ((at = writer.reserve(length)) < 0) publish();
  const { view } = writer;
  for (let i = 0; i < length; i += 4) view.setUint32(at + i, 0, true);
  view.setUint32(at + EntryOffset.Length, length, true);
  view.setUint32(at + EntryOffset.Type, type, true);
  const [seconds, nanoseconds] = process.hrtime();
  view.setFloat64(at + EntryOffset.Stamp, seconds * 1e9 + nanoseconds, true);
  spoil(view, at);
  return at;
}

function publish() {
  writer.publish();
  channel.ring();
}

function entry(type, length, spoil) {
  const at = write(type, length, spoil);
  publish();
  return at;
}

function writeClaim(grantor, nonce, as) {
  const fields = [
    [ClaimOffset.Grantor, grantor],
    [ClaimOffset.Nonce, nonce],
    [ClaimOffset.As, as],
  ];
  write(EntryType.Claim, CLAIM_BYTES, words(fields));
}

function writeMessage(length, spoil) {
  return write(EntryType.Message, length, (view, at) => {
    view.setUint32(at + MessageOffset.Target, ROOT_ID, true);
    view.setUint32(at + MessageOffset.Trace, 7, true);
    view.setUint32(at + MessageOffset.Account, link.identity.uid, true);
    spoil(view, at);
  });
}

function message(length, spoil) {
  const at = writeMessage(length, spoil);
  publish();
  return at;
}

const words = (values) => (view, at) => {
  for (const [offset, value] of values) view.setUint32(at + offset, value, true);
};
const randomise = (from, to) => {
  for (let i = from; i < to; i++) writer.bytes[i] = random(256);
};

const attacks = {
  'random head': () => {
    Atomics.store(header, 0, random(2 ** 32) | 0x4000_0000);
    channel.ring();
  },
  'random entries': () => {
    randomise(0, 4096);
    writer.head = 4096;
    writer.publish();
    channel.ring();
  },
  'entry longer than the ring': () => entry(EntryType.Message, 64, words([[0, 0x7fff_fff8]])),
  'entry of no length': () => entry(EntryType.Message, 64, words([[0, 0]])),
  'unaligned entry': () => entry(EntryType.Message, 64, words([[0, 61]])),
  'unknown type': () => entry(99, 64, () => {}),
  'stamp that is no number': () =>
    entry(EntryType.Release, 32, (v, at) => v.setFloat64(at + 8, NaN, true)),
  'message longer than its entry': () => message(64, words([[MessageOffset.Bytes, 1000]])),
  'message of 4 GiB': () => message(64, words([[MessageOffset.Bytes, 0xffff_ffff]])),
  'a billion handles': () => message(64, words([[MessageOffset.Handles, 2 ** 30]])),
  'invented target': () => message(64, words([[MessageOffset.Target, 12_345]])),
  'account of somebody else': () => message(64, words([[MessageOffset.Account, 0xfffe]])),
  'descriptors that were not sent': () => message(64, words([[MessageOffset.Descriptors, 3]])),
  'segment that was not sent': () => message(64, words([[MessageOffset.Segment, 5]])),
  'segment that can shrink': () => {
    const fd = createMemfd('loose', 1 << 16);
    channel.socket.send([fd]);
    message(
      64,
      words([
        [MessageOffset.Segment, 5],
        [MessageOffset.SegmentBytes, 1 << 16],
      ]),
    );
  },
  'segment that is too short': () => {
    const fd = createMemfd('short', 4096);
    sealMemfd(fd, Seal.Shrink);
    channel.socket.send([fd]);
    const fields = [
      [MessageOffset.Segment, 5],
      [MessageOffset.SegmentBytes, 1 << 16],
    ];
    message(64, words([...fields, [MessageOffset.Bytes, 1 << 16]]));
  },
  'handle of no kind': () =>
    message(
      80,
      words([
        [MessageOffset.Handles, 1],
        [64, 77],
      ]),
    ),
  'handle that the receiver never gave': () =>
    message(
      80,
      words([
        [MessageOffset.Handles, 1],
        [64, 2],
        [68, 4242],
      ]),
    ),
  'node of the receiver as that of a third': () =>
    message(
      80,
      words([
        [MessageOffset.Handles, 1],
        [64, 3],
        [76, link.identity.id],
      ]),
    ),
  'release twice': () => {
    for (let i = 0; i < 2; i++) {
      entry(
        EntryType.Release,
        RELEASE_BYTES,
        words([
          [ReleaseOffset.Id, ROOT_ID],
          [ReleaseOffset.Count, 1],
        ]),
      );
    }
  },
  'release of more than there is': () =>
    entry(
      EntryType.Release,
      RELEASE_BYTES,
      words([
        [ReleaseOffset.Id, ROOT_ID],
        [ReleaseOffset.Count, 9],
      ]),
    ),
  'questions for room without end': () => {
    for (let i = 0; i < 5000; i++) entry(EntryType.Ask, ASK_BYTES, () => {});
  },
  'claim of what nobody has granted': () => {
    for (const grantor of [SERVICE, BYSTANDER, domain.id, 12_345])
      writeClaim(grantor, 1, CLAIMED_ID + grantor);
    publish();
  },
  'node of a third process that was never granted': () =>
    message(
      80,
      words([
        [MessageOffset.Handles, 1],
        [64, 3],
        [68, 1],
        [76, BYSTANDER],
      ]),
    ),
  'nodes of many users': () => {
    const first = 1000 * Number(seedText);
    for (let uid = first; uid < first + 300; uid++) {
      const reference = [
        [64, 3],
        [68, uid],
        [72, uid],
        [76, BYSTANDER],
      ];
      message(80, words([[MessageOffset.Handles, 1], ...reference]));
    }
  },
  'credit that is not due': () =>
    entry(
      EntryType.Credit,
      CREDIT_BYTES,
      words([
        [CreditOffset.Trace, 1],
        [CreditOffset.Objects, 1],
      ]),
    ),
  'more than its quota': () => {
    // All at once: a receiver that is quick enough would give back what it was sent meanwhile.
    for (let i = 0; i < 2000; i++) writeMessage(64, () => {});
    publish();
  },
  'garbage for the authority': () => {
    domain.membership.authority.socket.send({ kind: 'hello', version: 1, maxima: 'none' });
    entry(99, 64, () => {});
  },
  'unexpected descriptors': () => {
    const [a, b] = socketPair();
    for (let i = 0; i < 50; i++) channel.socket.send([a, b]);
    message(64, words([[MessageOffset.Descriptors, 1]]));
  },
  'words flipped while they are read': async () => {
    const until = performance.now() + 500;
    while (performance.now() < until && header[16] !== -1) {
      const at = message(128, words([[MessageOffset.Bytes, 32]]));
      for (let i = 0; i < 2000; i++) {
        const offset = at + 4 * random(32);
        const before = writer.view.getUint32(offset, true);
        writer.view.setUint32(offset, random(2 ** 32), true);
        if (i < 1900) writer.view.setUint32(offset, before, true);
      }
      if (writer.head > 2 ** 18) break;
    }
    Atomics.store(header, 0, 0x7654_3210);
    channel.ring();
  },
  'tail that runs away': () => {
    const tail = new Int32Array(
      channel.reader.bytes.buffer,
      channel.reader.bytes.byteOffset - 256,
      64,
    );
    Atomics.store(tail, 16, 0x6000_0000);
    entry(99, 64, () => {});
  },
  'claim cut at the end of the ring': () => {
    const { view } = writer;
    const padBytes = writer.capacity - 24;
    view.setUint32(EntryOffset.Length, padBytes, true);
    view.setUint32(EntryOffset.Type, EntryType.Pad, true);
    view.setUint32(padBytes + EntryOffset.Length, 24, true);
    view.setUint32(padBytes + EntryOffset.Type, EntryType.Claim, true);
    view.setFloat64(padBytes + EntryOffset.Stamp, 1, true);
    writer.head = writer.capacity;
    publish();
  },
  'larger ring of no size': () => {
    channel.socket.send([createMemfd('ring', 1 << 20)]);
    entry(EntryType.Switch, SWITCH_BYTES, words([[SwitchOffset.Capacity, 12_345]]));
  },
  'message cut short': () => entry(EntryType.Message, 32, () => {}),
  'release cut short': () => entry(EntryType.Release, 24, () => {}),
  'grant cut short': () => entry(EntryType.Grant, 32, () => {}),
  'credit cut short': () => entry(EntryType.Credit, 40, () => {}),
  'window cut short': () => entry(EntryType.Window, 48, () => {}),
  'switch too long': () => entry(EntryType.Switch, 40, () => {}),
  'credit of nothing': () =>
    entry(EntryType.Credit, CREDIT_BYTES, words([[CreditOffset.Trace, 1]])),
  'more questions than answers': () => {
    for (let i = 0; i < IDLE_ENTRIES_MAX + 1000; i++) write(EntryType.Ask, ASK_BYTES, () => {});
    publish();
  },
  'claims without end of what nobody has granted': () => {
    for (let i = 0; i <= VAIN_CLAIMS_MAX; i++) writeClaim(SERVICE, 1, CLAIMED_ID + i);
    publish();
  },
  'as many claims as two may not have': () => {
    for (let i = 0; i < (VAIN_CLAIMS_MAX / 3) * 2; i++) writeClaim(SERVICE, 1, CLAIMED_ID + i);
    publish();
  },
  'claims without end of what it has granted to itself': () => {
    for (let i = 0; i <= CLAIMS_MAX; i++) {
      const fields = [
        [GrantOffset.Id, ROOT_ID],
        [GrantOffset.To, domain.id],
        [GrantOffset.Nonce, i],
      ];
      write(EntryType.Grant, GRANT_BYTES, words(fields));
      writeClaim(domain.id, i, CLAIMED_ID + i);
    }
    publish();
  },
  'processes that never existed': () => {
    for (let i = 0; i <= INVENTED_MAX; i++) {
      const third = [
        [64, 3],
        [68, i],
        [76, 1_000_000 + i],
      ];
      message(80, words([[MessageOffset.Handles, 1], ...third]));
    }
  },
  'doorbell that is jammed': () => {
    const { bell } = channel;
    setNonBlocking(bell.fd, false);
    const full = allocateBytes(8);
    full.bytes.fill(0xff);
    setNonBlocking(channel.peerBell.fd, true);
    while (sendBytes(channel.peerBell.fd, full.address, 8) === 8);
    domain.page.sleep(1);
    for (let i = 0; i < 100; i++) entry(EntryType.Ask, ASK_BYTES, () => {});
  },
  'death in the middle of a transaction': () => {
    const entries = domain.transaction;
    entries.publish = () => {
      link.outbox.number(domain.page.nextTransaction);
      link.outbox.publish();
      process.kill(process.pid, 'SIGKILL');
    };
    const doomed = new Message();
    doomed.newNode = NewNode.Lasting;
    doomed.addPiece(Buffer.from('never committed'), 0, 15);
    peer.send(root, doomed);
  },
};

process.on('message', () => process.exit(0));
await attacks[attack]();
process.send('done');
setInterval(() => {}, 1000);
