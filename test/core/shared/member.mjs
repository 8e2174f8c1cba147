// A process of a shared domain that does what its parent says: one request, one answer, over Node's IPC channel.
import { closeSync, readFileSync } from 'node:fs';
import {
  DescriptorSet,
  LocalDomain,
  PeerById,
  ReceivedType,
  ResourceUser,
  TRANSFER_CREATE,
} from '#core/index.js';
import { socketPair, watchReadable } from '#core/linux/index.js';
import { Authority, SharedDomain } from '#core/shared/index.js';
import { Chatter } from './chatter.mjs';
import { openPipe, isHungUp } from './pipe.mjs';

/** Couriers carry handles between processes: what TRANSFER does between two peers that one process can see. */
const COURIER_UID = 4_000_000;
const COURIER_MAXIMA = { objects: 2 ** 24, bytes: 2 ** 30, descriptors: 16 };

class Member {
  peers = new Map();
  users = new Map();
  pipes = new Map();
  closedTwice = 0;
  parcels = new Map();
  couriers = new Map();
  diagnostics = [];

  constructor({ path, index, maxima, isAuthority }) {
    this.maxima = maxima;
    this.local = new LocalDomain();
    const user = new ResourceUser(COURIER_UID, COURIER_MAXIMA);
    this.courier = new PeerById(this.local.openPeer({ user }));
    const { source, target } = this.courier.transfer(this.courier, [
      { flags: TRANSFER_CREATE, id: -1 },
    ]);
    this.node = source[0];
    this.couriers.set(index, target[0]);
    const onDiagnostic = (text) => this.diagnostics.push(text);
    const options = { local: this.local, maxima, onDiagnostic };
    if (isAuthority) {
      this.authority = new Authority({ onDiagnostic });
      this.authority.listen(path);
      const [ours, theirs] = socketPair();
      this.authority.admit(ours, { isRoot: true });
      const root = this.courier.peer.firstHandle;
      this.domain = SharedDomain.join(theirs, { ...options, root });
      this.authorityWatch = watchReadable(this.authority.fd, () => this.authority.dispatch());
      this.authority.dispatch();
    } else {
      this.domain = SharedDomain.join(path, options);
      if (!this.domain.awaitReady(10_000)) throw new Error('not admitted');
      const handle = this.domain.copyRoot(this.courier.peer);
      this.courier.objects.set(handle.id, handle);
      this.couriers.set(0, handle.id);
    }
    this.watch = this.domain.attach();
  }

  /** Sends `text` and copies of `handles` of the courier to the courier of process `index`. */
  post(index, text, handles) {
    this.courier.send([this.couriers.get(index)], {
      data: [Buffer.from(text)],
      transfers: handles,
    });
  }

  async collect(label) {
    for (;;) {
      this.pump();
      let handles = this.parcels.get(label);
      // No further than that: what follows may be the NODE_RELEASE of a handle that is still to be handed on.
      while (handles === undefined) {
        const next = this.courier.receive();
        if (next === undefined) break;
        if (next.type !== ReceivedType.User) continue;
        this.parcels.set(Buffer.from(next.data).toString(), next.transfers);
        handles = this.parcels.get(label);
      }
      this.parcels.delete(label);
      if (handles !== undefined) return handles;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  pump() {
    this.authority?.dispatch();
    do this.domain.dispatch();
    while (this.domain.beforeSleep());
  }

  openPeer(id, uid) {
    let user = this.users.get(uid);
    if (user === undefined) this.users.set(uid, (user = new ResourceUser(uid, this.maxima)));
    this.peers.set(id, new PeerById(this.local.openPeer({ user })));
  }

  closeDescriptor = (fd) => {
    try {
      closeSync(fd);
    } catch {
      this.closedTwice++;
    }
  };

  descriptorSet(tokens) {
    const fds = tokens.map((token) => {
      const [readEnd, writeEnd] = openPipe();
      this.pipes.set(token, readEnd);
      return writeEnd;
    });
    return new DescriptorSet(fds, this.closeDescriptor);
  }

  close() {
    this.watch.close();
    this.authorityWatch?.close();
    this.courier.close();
    for (const peer of this.peers.values()) peer.close();
    this.domain.close();
    this.authority?.close();
    for (const fd of this.pipes.values()) closeSync(fd);
  }
}

let member;
let chatter;
const received = new Map();

const requests = {
  join: (options) => void (member = new Member(options)),
  leave: () => void member.close(),
  /** Makes this process's courier known to another one. */
  introduce: ({ from, to, carrying, label }) =>
    void member.post(to, label, [member.couriers.get(carrying ?? from)]),
  meet: async ({ index, label }) => {
    const [handle] = await member.collect(label);
    if (member.couriers.has(index)) member.courier.release([handle]);
    else member.couriers.set(index, handle);
  },
  openPeer: ({ id, uid }) => void member.openPeer(id, uid),
  transfer: ({ from, to, entries, options }) =>
    member.peers.get(from).transfer(target(to), entries, options),
  transferOut: ({ from, process, entries, options, label }) => {
    const { source, target: handles } = member.peers
      .get(from)
      .transfer(member.courier, entries, options);
    member.post(process, label, handles);
    member.courier.release(handles);
    return source;
  },
  transferIn: async ({ to, label }) => {
    const handles = await member.collect(label);
    const copies = handles.map((id) => ({ flags: 0, id }));
    const { target: ids } = member.courier.transfer(member.peers.get(to), copies);
    member.courier.release(handles);
    return ids;
  },
  release: ({ id, ids, options }) => member.peers.get(id).release(ids, options),
  send: ({ id, destinations, outgoing }) => {
    const { descriptors: tokens, data, ...rest } = outgoing;
    const vectors = data.map((text) => new Uint8Array(Buffer.from(text, 'base64')));
    const peer = member.peers.get(id);
    if (tokens === undefined) return peer.send(destinations, { data: vectors, ...rest });
    const descriptors = member.descriptorSet(tokens);
    try {
      return peer.send(destinations, { data: vectors, ...rest, descriptors });
    } finally {
      descriptors.drop();
    }
  },
  receive: ({ id, space }) => {
    const next = member.peers.get(id).receive(space);
    if (next?.type !== ReceivedType.User) return next;
    const { descriptors, data, ...rest } = next;
    const count = descriptors?.count ?? 0;
    if (count > 0) received.set(`${id}`, descriptors);
    return { ...rest, data: Buffer.from(data).toString('base64'), descriptors: count };
  },
  dropDescriptors: ({ id }) => {
    received.get(`${id}`).drop();
    received.delete(`${id}`);
  },
  readable: ({ id }) => member.peers.get(id).readable,
  closePeer: ({ id }) => member.peers.get(id).close(),
  pump: () => {
    member.pump();
    const { sent, delivered } = member.domain.counters;
    return { sent, delivered };
  },
  chat: async ({ peers, count, seed, budget }) => {
    const own = peers.map((of) => ({ ...of, peer: member.peers.get(of.id) }));
    chatter = new Chatter(own, count, seed);
    await chatter.run(budget, () => member.domain.dispatch());
  },
  chatReport: () => {
    chatter.receiveAll();
    return chatter.report();
  },
  wakeups: () => {
    const status = readFileSync(`/proc/self/task/${process.pid}/status`, 'utf8');
    return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)[1]);
  },
  state: () => ({
    charged: member.local.chargedTo(member.users.values()),
    counts: member.domain.counts(),
    open: [...member.pipes.values()].filter((fd) => !isHungUp(fd)).length,
    closedTwice: member.closedTwice,
    diagnostics: member.diagnostics,
  }),
};

/** A peer of this process, or something that is none. */
function target(id) {
  if (id !== 'stranger') return member.peers.get(id);
  const user = new ResourceUser(0, COURIER_MAXIMA);
  return new PeerById(new LocalDomain().openPeer({ user }));
}

async function answer(request) {
  const { number, kind, ...rest } = request;
  try {
    if (kind !== 'join' && kind !== 'leave') member.pump();
    const result = await requests[kind](rest);
    if (kind !== 'leave') member.pump();
    process.send({ number, result });
  } catch (error) {
    const { code, message, dataBytes, transfers } = error;
    process.send({ number, error: { code, message, dataBytes, transfers } });
  }
}

process.on('message', (request) => void answer(request));
process.on('disconnect', () => process.exit(0));
