// A process of a shared domain that does what its parent says: one request, one answer, over Node's IPC channel.
import { closeSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import {
  DescriptorSet,
  LocalDomain,
  NewNode,
  PeerById,
  ReceivedType,
  ResourceUser,
  TRANSFER_CREATE,
} from '#core/index.js';
import {
  FutexResult,
  futexWait,
  futexWake,
  getOpenFilesLimit,
  setOpenFilesLimit,
  SharedMapping,
  socketPair,
  watchReadable,
} from '#core/linux/index.js';
import { Authority, SharedDomain } from '#core/shared/index.js';
import { Participant } from '../conformance/participant.mjs';
import { Chatter } from './chatter.mjs';
import { openPipe, isHungUp } from './pipe.mjs';

/** Couriers carry handles between processes: what TRANSFER does between two peers that one process can see. */
const COURIER_UID = 4_000_000;
/** Nothing that is awaited takes this long, unless something is wrong. */
const PATIENCE_MS = 20_000;
/** A wait that is as short as this is woken through futexes only. */
const BRIEF_MS = 5;
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

  /** Plays the parts of peers of this process (participant.mjs). */
  play(parts, program, progress) {
    const own = parts.map((part) => ({ ...part, peer: this.peers.get(part.id) }));
    const sideChannel = progress === null ? null : new SideChannel(progress, this.domain);
    const participant = new Participant(own, program, sideChannel);
    while (!participant.isDone && participant.failure === null) {
      const seen = sideChannel?.position;
      const delivered = this.domain.dispatch();
      if (participant.advance()) sideChannel?.tell();
      else if (sideChannel !== null && !participant.hasPlayed) {
        if (!sideChannel.wait(seen)) break;
      } else if (delivered === 0 && this.domain.wait(PATIENCE_MS) === 0) break;
    }
    sideChannel?.close();
    const { failure, received, isDone } = participant;
    return { failure: failure ?? (isDone ? null : 'a message was lost'), received };
  }

  serve(peer) {
    let waits = 0;
    let inVain = 0;
    for (let isOver = false; !isOver;) {
      waits++;
      if (!peer.readable && this.domain.wait(BRIEF_MS) === 0) inVain++;
      for (let next = peer.receive(); next !== undefined; next = peer.receive()) {
        if (next.type !== ReceivedType.User) continue;
        if (Buffer.from(next.data).toString() === 'stop') isOver = true;
        peer.send([next.transfers.at(-1)], { data: [next.data] });
      }
    }
    return { waits, inVain };
  }

  call(peer, handle, times, stops) {
    for (let i = 1; i <= times; i++) {
      const text = stops && i === times ? 'stop' : 'call';
      peer.send([handle], { data: [Buffer.from(text)], newNode: NewNode.OneShot });
      while (!peer.readable) if (this.domain.wait(PATIENCE_MS) === 0) return i - 1;
      const { type } = peer.receive();
      if (type !== ReceivedType.User) return i - 1;
    }
    return times;
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

/** What processes tell each other beside the domain: a word for each schedule, and one that changes with any. */
class SideChannel {
  constructor(path, domain) {
    this.domain = domain;
    const fd = openSync(path, 'r+');
    this.mapping = SharedMapping.map(fd, fstatSync(fd).size, { writable: true });
    closeSync(fd);
    this.turns = this.mapping.words.subarray(1);
  }

  isTurnOf(schedule, step) {
    if (Atomics.load(this.turns, schedule) !== step) return false;
    this.domain.catchUp();
    return true;
  }

  setTurn(schedule, step) {
    Atomics.store(this.turns, schedule, step);
  }

  get position() {
    return Atomics.load(this.mapping.words, 0);
  }

  tell() {
    Atomics.add(this.mapping.words, 0, 1);
    futexWake(this.mapping.address, 2 ** 30);
  }

  /** False when nobody has told anything for too long. */
  wait(seen) {
    return futexWait(this.mapping.address, seen, PATIENCE_MS) !== FutexResult.TimedOut;
  }

  close() {
    this.mapping.unmap();
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
  openPeers: ({ ids, uid }) => {
    for (const id of ids) member.openPeer(id, uid);
  },
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
  connectOut: ({ from, process, label }) => {
    const create = [{ flags: TRANSFER_CREATE, id: -1 }];
    const handles = from.map(
      (id) => member.peers.get(id).transfer(member.courier, create).target[0],
    );
    member.post(process, label, handles);
    member.courier.release(handles);
  },
  connectIn: async ({ to, label }) => {
    const handles = await member.collect(label);
    const ids = handles.map((id, i) => {
      const { target: copies } = member.courier.transfer(member.peers.get(to[i]), [
        { flags: 0, id },
      ]);
      return copies[0];
    });
    member.courier.release(handles);
    return ids;
  },
  drain: ({ id, ids, options }) => member.peers.get(id).drain(ids, options),
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
  closePeers: ({ ids }) => {
    for (const id of ids) member.peers.get(id).close();
  },
  setFull: ({ id, isFull }) => void (member.peers.get(id).peer.isFull = isFull),
  counters: () => member.domain.counters,
  /** All there is, what stands for other processes included: as it was before when one of them has come and gone. */
  resources: () => {
    const { peers, nodes, handles } = member.local.counters;
    const charged = member.local.chargedTo(member.users.values());
    const { channels } = member.domain.counters;
    const descriptors = readdirSync('/proc/self/fd').length;
    return { peers, nodes, handles, charged, channels, descriptors };
  },
  /** So many descriptors can still be opened; undefined: as many as ever. */
  limitDescriptors: ({ free }) => {
    const limit = getOpenFilesLimit();
    if (free === undefined) return setOpenFilesLimit({ ...limit, soft: limit.hard });
    let soft = 0;
    for (let left = free; left > 0 || isOpen(soft); soft++) if (!isOpen(soft)) left--;
    setOpenFilesLimit({ ...limit, soft });
  },
  /** Blocks the thread until something is there to be received, or too long. */
  wait: ({ id }) => {
    const peer = member.peers.get(id);
    while (!peer.readable) if (member.domain.wait(PATIENCE_MS) === 0) return 'nothing came';
    return 'readable';
  },
  /**
   * Answers calls through the handle that comes with each, blocking the thread, until one says 'stop'. Returns how many
   * waits have ended with nothing, and how many there were.
   */
  serve: ({ id }) => member.serve(member.peers.get(id)),
  /** Calls through a handle, blocking the thread, that many times; the last one says 'stop' if `stops`. */
  call: ({ id, handle, times, stops }) => member.call(member.peers.get(id), handle, times, stops),
  perform: ({ parts, path, progress }) =>
    member.play(parts, new Uint8Array(readFileSync(path)), progress),
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

function isOpen(fd) {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

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
