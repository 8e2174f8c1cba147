/**
 * Peers that send to each other at random, at full speed, and check with matrix clocks (Raynal, Schiper,
 * Toueg 1991) that what
 * they receive comes after all that its sender knew to be under way to them.
 */
export class Chatter {
  /** `peers`: those of this process, as {peer, index, handles}, `handles[k]` leading to peer k of `count` */
  constructor(peers, count, seed) {
    this.count = count;
    this.state = seed >>> 0;
    this.peers = peers.map((peer) => ({
      ...peer,
      known: new Uint32Array(count * count),
      received: new Uint32Array(count),
    }));
    this.failure = null;
  }

  random(limit) {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.state / 2 ** 32) * limit);
  }

  /** Sends `budget` multicasts, receiving between them; `pump` lets messages in. */
  async run(budget, pump) {
    for (let sent = 0; sent < budget && this.failure === null; sent++) {
      this.send(this.peers[this.random(this.peers.length)]);
      if (this.random(4) === 0) {
        pump();
        this.receiveAll();
      }
      if (this.random(64) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  send({ peer, index, handles, known }) {
    const set = 1 + this.random(2 ** this.count - 1);
    const destinations = handles.filter((_, to) => set & (1 << to));
    for (let to = 0; to < this.count; to++) {
      if (set & (1 << to)) known[index * this.count + to]++;
    }
    const data = [Uint8Array.of(index, 0, 0, 0), new Uint8Array(known.buffer.slice(0))];
    for (;;) {
      try {
        return void peer.send(destinations, { data });
      } catch (error) {
        if (error.code !== 'EDQUOT') throw error;
        throw new Error('the quota is too small for this test', { cause: error });
      }
    }
  }

  receiveAll() {
    for (const peer of this.peers) {
      for (let next = peer.peer.receive(); next !== undefined; next = peer.peer.receive()) {
        this.check(peer, next.data);
      }
    }
  }

  check({ index, known, received }, data) {
    const from = data[0];
    const theirs = new Uint32Array(
      data.buffer.slice(data.byteOffset + 4, data.byteOffset + data.length),
    );
    for (let k = 0; k < this.count; k++) {
      const before = theirs[k * this.count + index] - (k === from ? 1 : 0);
      const isRight = k === from ? before === received[k] : before <= received[k];
      if (!isRight) {
        this.failure ??= `peer ${index} received message ${before} of ${from} after ${received[k]} of ${k}`;
      }
    }
    received[from]++;
    for (let i = 0; i < known.length; i++) known[i] = Math.max(known[i], theirs[i]);
  }

  report() {
    return this.peers.map(({ index, known, received }) => ({
      index,
      sent: [...known.subarray(index * this.count, (index + 1) * this.count)],
      received: [...received],
      failure: this.failure,
    }));
  }
}
