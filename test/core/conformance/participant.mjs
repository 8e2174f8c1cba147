// Plain JavaScript, as it also runs in the member processes of the shared domain; participant.d.mts says what is here.
const PEERS = 4;
const STEPS = 12;
const STEP_BYTES = 2;
const END = 0;
const SEND = 1;
const AWAIT = 2;
/** Schedules that are under way at the same time. */
const WINDOW = 128;
const MESSAGE_BYTES = 8; // schedule u32, label u16, the sender's past u16

export class Participant {
  failure = null;
  received = 0;
  expected = 0;
  nextSchedule = 0;
  active = [];
  outgoing = new Uint8Array(MESSAGE_BYTES);

  constructor(peers, program, sideChannel) {
    this.program = program;
    this.sideChannel = sideChannel;
    this.schedules = program.length / (STEPS * STEP_BYTES);
    this.peers = Array.from({ length: PEERS });
    for (const peer of peers) this.peers[peer.index] = peer;
    this.outgoingView = new DataView(this.outgoing.buffer);
    this.position = new Uint8Array(this.schedules);
    // Sets of labels, for each schedule and peer: received, and known to have been sent before now.
    this.has = new Uint16Array(this.schedules * PEERS);
    this.knows = new Uint16Array(this.schedules * PEERS);
    this.destinations = new Uint8Array(this.schedules * STEPS);
    for (let i = 0; i < this.destinations.length; i++) {
      if ((program[i * STEP_BYTES] & 15) !== SEND) continue;
      const mask = program[i * STEP_BYTES + 1];
      this.destinations[i] = mask;
      for (let k = 0; k < PEERS; k++) if (this.peers[k] && (mask >> k) & 1) this.expected++;
    }
  }

  get hasPlayed() {
    return this.active.length === 0 && this.nextSchedule === this.schedules;
  }

  get isDone() {
    return this.hasPlayed && this.received === this.expected;
  }

  advance() {
    let hasMoved = false;
    while (this.active.length < WINDOW && this.nextSchedule < this.schedules) {
      this.active.push(this.nextSchedule++);
    }
    for (const schedule of this.active) if (this.play(schedule)) hasMoved = true;
    this.active = this.active.filter((schedule) => this.position[schedule] < STEPS);
    if (this.sideChannel !== null || this.hasPlayed) {
      if (this.receiveAll()) hasMoved = true;
    }
    return hasMoved;
  }

  receiveAll() {
    const before = this.received;
    for (const peer of this.peers.filter((own) => own !== undefined)) {
      for (let has = this.receive(peer); has; has = this.receive(peer));
    }
    return this.received > before;
  }

  /** Goes on with a schedule as far as it can; whether that was any step of a peer that is here. */
  play(schedule) {
    let hasMoved = false;
    while (this.position[schedule] < STEPS && this.failure === null) {
      const step = this.position[schedule];
      const at = (schedule * STEPS + step) * STEP_BYTES;
      const what = this.program[at] & 15;
      const peer = this.peers[this.program[at] >> 4];
      if (what === END) {
        this.position[schedule] = STEPS;
      } else {
        if (peer !== undefined) {
          if (!this.perform(schedule, step, what, peer, this.program[at + 1])) return hasMoved;
          hasMoved = true;
        }
        this.position[schedule]++;
      }
    }
    return hasMoved;
  }

  /** One step; false when it has to wait. */
  perform(schedule, step, what, peer, argument) {
    if (what === SEND) return this.send(schedule, step, peer, argument);
    if (what !== AWAIT) {
      this.receive(peer);
      return true;
    }
    const place = schedule * PEERS + peer.index;
    while (!((this.has[place] >> argument) & 1)) if (!this.receive(peer)) return false;
    return true;
  }

  send(schedule, step, { index, handles, peer }, mask) {
    if (this.sideChannel !== null && !this.sideChannel.isTurnOf(schedule, step)) return false;
    const place = schedule * PEERS + index;
    const past = this.sideChannel === null ? this.knows[place] : (1 << step) - 1;
    this.outgoingView.setUint32(0, schedule, true);
    this.outgoingView.setUint16(4, step, true);
    this.outgoingView.setUint16(6, past, true);
    this.knows[place] |= 1 << step;
    const destinations = handles.filter((_, k) => (mask >> k) & 1);
    peer.send(destinations, { data: [this.outgoing] });
    this.sideChannel?.setTurn(schedule, step + 1);
    return true;
  }

  /** Takes one message of `peer`, and checks it; false when there is none. */
  receive({ index, peer }) {
    const next = peer.receive();
    if (next === undefined) return false;
    const view = new DataView(next.data.buffer, next.data.byteOffset, MESSAGE_BYTES);
    const schedule = view.getUint32(0, true);
    const label = view.getUint16(4, true);
    const past = view.getUint16(6, true);
    const place = schedule * PEERS + index;
    const first = schedule * STEPS;
    const fail = (what) => {
      this.failure ??= `schedule ${schedule}: peer ${index} received message ${label} ${what}`;
    };
    if (!((this.destinations[first + label] >> index) & 1)) fail('that was not for it');
    if ((this.has[place] >> label) & 1) fail('twice');
    for (let cause = 0; cause < STEPS; cause++) {
      const isCause = (past >> cause) & 1 && (this.destinations[first + cause] >> index) & 1;
      if (isCause && !((this.has[place] >> cause) & 1)) fail(`before its cause ${cause}`);
    }
    this.has[place] |= 1 << label;
    this.knows[place] |= past | (1 << label);
    this.received++;
    return true;
  }
}
