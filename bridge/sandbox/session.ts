import { closeFd, closeReceived, randomBytes } from '#core/linux/index.js';
import { SaslServer } from '#bridge/sasl/server.js';
import { clientSide, SocketClient } from '#bridge/socket/client.js';
import type { BusSocket } from '#bridge/socket/connect.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { describeMessage, headerText } from '#bridge/wire/header-text.js';
import { decodeMessage, encodeMessage, type MessageFields } from '#bridge/wire/message.js';
import { MessageFlag, MessageType, wantsReply } from '#bridge/wire/types.js';
import { Access, type NameRules } from './name-rules.js';
import { BUS, bodyTexts, judgeOutgoing, type Verdict } from './outgoing.js';
import { logFiltered, logIncoming, logOutgoing, logOwn } from './traffic-log.js';
import type { FilterOptions } from './proxy-options.js';
import { VisibleNames } from './visible-names.js';

/** While more than this waits for one side, the other side is not read. */
const WAITING_BYTES_MAX = 1 << 20;
/** Serials above this are those of the proxy itself, as in xdg-dbus-proxy. */
const CLIENT_SERIAL_MAX = 0xffffffff - 65_536;

/** What is done with the answer to a message. */
type Expected =
  | { readonly kind: 'pass' | 'hello' | 'names' | 'skip' }
  /** `answer` takes the place of the answer */
  | { readonly kind: 'replace'; readonly answer: Uint8Array }
  | { readonly kind: 'owner'; readonly name: string }
  | { readonly kind: 'all-names'; readonly isWanted: (name: string) => boolean };

/** How many calls a session remembers that the client owes an answer. */
const REMEMBERED_MAX = 65_536;

/** The client of a session, and the filter for it. */
export interface SessionOptions extends FilterOptions {
  readonly log: boolean;
  /** the uid that the client must have, and that the bus sees */
  readonly uid: number;
  /** whether the uid that the client claims is its own in another user namespace (user_namespaces(7)) */
  readonly mapsTo?: ((claimedUid: number) => boolean) | undefined;
  /** how long each side, after the end of the session, may still read what waits for it */
  readonly lingerMs: number;
}

export interface SessionEvents {
  /** `wantsBus` or `wantsClient` may have changed. */
  changed(session: Session): void;
  ended(session: Session): void;
  /** The bus has answered Hello. */
  admitted?(session: Session): void;
  /** The client was denied the use of a name that it can see. */
  denied?(session: Session, header: MessageHeader): void;
  /** Whether a message of the client may be taken now. False: `dispatch` has to be called later. */
  takes?(session: Session): boolean;
  /** Hands a message and its descriptors to the bus directly. False, or absent: it goes through the socket. */
  deliver?(session: Session, header: MessageHeader, fds: readonly number[]): boolean;
}

/** One client of a proxy, and its connection to the bus. */
export class Session {
  readonly bus: SocketClient;
  /** undefined until the connection to the bus is ready */
  client: SocketClient | undefined;
  private readonly clientFd: number;
  private readonly options: SessionOptions;
  private readonly events: SessionEvents;
  private readonly names: VisibleNames;
  private rules: NameRules;
  denial: FilterOptions['denial'];
  private hasSaidHello = false;
  /** calls of the client that the bus has not answered, and questions of our own, by serial */
  private readonly awaited = new Map<number, Expected>();
  /** calls of others that the client has not answered, by caller and serial */
  private readonly owed = new Set<string>();
  /** of all messages to the bus, and from it */
  sentBytes = 0;
  takenBytes = 0;
  private lastSerial = 0;
  private ownSerial = CLIENT_SERIAL_MAX;
  /** number of our own calls without an answer; meanwhile the client is not read, since owners are not known yet */
  private ownQuestions = 0;
  /** whether a message of this side has been received but not taken yet */
  private isBusHeld = false;
  private isClientHeld = false;
  private isOver = false;

  constructor(clientFd: number, bus: BusSocket, options: SessionOptions, events: SessionEvents) {
    this.clientFd = clientFd;
    this.options = options;
    this.events = events;
    this.rules = options.rules;
    this.denial = options.denial;
    this.names = new VisibleNames(this.rules, options.sloppyNames);
    const toBus = {
      ready: () => this.greet(),
      message: (header: MessageHeader, fds: readonly number[]) => this.fromBus(header, fds),
      closed: () => this.end(),
    };
    this.bus = new SocketClient(bus, toBus, clientSide(bus, options.uid));
  }

  /** Whether a side should be read: not while too much waits for the other side. */
  get wantsBus(): boolean {
    return (this.client?.waitingBytes ?? 0) < WAITING_BYTES_MAX;
  }

  get wantsClient(): boolean {
    return this.ownQuestions === 0 && this.bus.waitingBytes < WAITING_BYTES_MAX;
  }

  dispatch(fd: number): void {
    if (this.isOver) return;
    if (fd === this.bus.fd) this.bus.dispatch();
    else this.client?.dispatch();
    this.sendAll();
  }

  /** Processes what was fed to the side of the bus. */
  takeFed(): void {
    if (this.isOver) return;
    this.bus.takeFed();
    this.sendAll();
  }

  private sendAll(): void {
    this.goOn();
    if (!this.isOver) this.bus.flush();
    if (!this.isOver) this.client?.flush();
    if (!this.isOver) this.events.changed(this);
  }

  /** Dispatches a side whose message was not taken: nothing else would offer the message again. */
  private goOn(): void {
    if (!this.isOver && this.isClientHeld && this.wantsClient) {
      this.isClientHeld = false;
      this.client?.dispatch();
    }
    if (!this.isOver && this.isBusHeld && this.wantsBus) {
      this.isBusHeld = false;
      this.bus.dispatch();
    }
  }

  /** Replaces the rules, from the next message on. */
  setFilter({ rules, denial }: FilterOptions): void {
    this.denial = denial;
    if (rules.isSameAs(this.rules)) return;
    this.rules = rules;
    this.names.setRules(rules);
    if (!this.hasSaidHello || this.isOver) return;
    this.learnOwners();
    this.bus.flush();
    this.events.changed(this);
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.client === undefined) closeFd(this.clientFd);
    this.events.ended(this);
    this.client?.close(this.options.lingerMs);
    this.bus.close(this.options.lingerMs);
  }

  /** The bus side is ready: lets the client authenticate, as the uid that the bus sees. */
  private greet(): void {
    const { guid, hasUnixFds } = this.bus;
    const { mapsTo } = this.options;
    const side = new SaslServer({
      guid,
      mechanisms: ['EXTERNAL', 'ANONYMOUS'],
      peerUid: this.options.uid,
      ...(mapsTo !== undefined && { mapsTo }),
      canPassFds: hasUnixFds,
      randomBytes,
    });
    const events = {
      ready: () => {},
      message: (header: MessageHeader, fds: readonly number[]) => this.fromClient(header, fds),
      closed: () => this.end(),
    };
    this.client = new SocketClient({ fd: this.clientFd, guid: undefined }, events, side);
  }

  private fromClient(header: MessageHeader, fds: readonly number[]): boolean {
    this.isClientHeld = !this.wantsClient || this.events.takes?.(this) === false;
    if (this.isClientHeld) return false;
    if (this.options.filter) this.judge(header, fds);
    else this.passOut(header, fds);
    return true;
  }

  private passOut(header: MessageHeader, fds: readonly number[]): void {
    const isDelivered = this.events.deliver?.(this, header, fds) === true;
    this.sentBytes += header.end - header.start;
    if (!isDelivered) pass(this.bus, header, fds);
  }

  private judge(header: MessageHeader, fds: readonly number[]): void {
    // With a serial that is not higher than the last, one answer could be taken for another.
    if (header.serial <= this.lastSerial || header.serial > CLIENT_SERIAL_MAX) {
      drop(fds);
      return this.end();
    }
    this.lastSerial = header.serial;
    if (this.options.log) logOutgoing(header);
    if (isAnswer(header) || header.replySerial > 0) return this.passAnswer(header, fds);
    const verdict = judgeOutgoing(header, this.names);
    if (verdict.kind === 'pass' || verdict.kind === 'pass-names') {
      return this.passOn(header, fds, verdict);
    }
    if (this.options.log) logFiltered(verdict, wantsReply(header));
    if (verdict.kind === 'error' && !verdict.isHidden) this.events.denied?.(this, header);
    drop(fds);
    if (wantsReply(header)) this.replace(header, verdict);
  }

  private passOn(header: MessageHeader, fds: readonly number[], { kind }: Verdict): void {
    const isHello = headerText(header, 'member') === 'Hello' && isToBus(header);
    if (wantsReply(header)) {
      const expected = kind === 'pass-names' ? 'names' : isHello ? 'hello' : 'pass';
      this.awaited.set(header.serial, { kind: expected });
    }
    this.passOut(header, fds);
    this.hasSaidHello ||= isHello;
    if (isHello) this.learnOwners();
  }

  /** The client answers a call that it was sent, once. */
  private passAnswer(header: MessageHeader, fds: readonly number[]): void {
    const caller = `${headerText(header, 'destination')} ${header.replySerial}`;
    // A message of another type with a reply serial does not count as the answer.
    if (isAnswer(header) && this.owed.delete(caller)) return this.passOut(header, fds);
    if (this.options.log) process.stdout.write('*DENIED*\n');
    drop(fds);
  }

  /** Sends a Ping instead, and our answer in place of the reply to it, so that answers stay in order. */
  private replace(header: MessageHeader, verdict: Verdict): void {
    const { serial, littleEndian } = header;
    const fields = { flags: MessageFlag.NoReplyExpected, serial, replySerial: serial, sender: BUS };
    const answer =
      verdict.kind === 'error'
        ? encodeMessage(
            { ...fields, type: MessageType.Error, errorName: verdict.name, signature: 's' },
            [verdict.isHidden ? verdict.name : this.textOfDenial(header, verdict.name)],
            littleEndian,
          )
        : encodeMessage(
            { ...fields, type: MessageType.MethodReturn, signature: 'b' },
            [false],
            littleEndian,
          );
    this.awaited.set(serial, { kind: 'replace', answer });
    const ping = { path: '/', interface: `${BUS}.Peer`, member: 'Ping' };
    this.send({ type: MessageType.MethodCall, serial, ...ping }, []);
  }

  private textOfDenial(header: MessageHeader, errorName: string): string {
    const { denial } = this;
    return denial === undefined ? errorName : `${denial.why}; ${describeMessage(header)}`;
  }

  /** Asks who owns the names that the rules are about, and subscribes to changes of owner. */
  private learnOwners(): void {
    const { rules } = this.rules;
    for (const name of new Set(rules.filter((each) => !each.isSubtree).map((each) => each.name))) {
      this.watch(name, false);
      this.askOwner(name);
    }
    const subtrees = new Set(rules.filter((each) => each.isSubtree).map((each) => each.name));
    for (const name of subtrees) this.watch(name, true);
    if (subtrees.size === 0) return;
    if (this.options.log) logOwn(this.ownSerial + 1, 'ListNames');
    const isWanted = (name: string): boolean => this.names.accessTo(name) > Access.None;
    this.ask('ListNames', [], { kind: 'all-names', isWanted });
  }

  private watch(name: string, isSubtree: boolean): void {
    if (this.options.log) {
      logOwn(this.ownSerial + 1, `${isSubtree ? 'wildcarded ' : ''}AddMatch for ${name}`);
    }
    const key = isSubtree ? 'arg0namespace' : 'arg0';
    const rule = `type='signal',sender='${BUS}',interface='${BUS}',member='NameOwnerChanged',${key}='${name}'`;
    this.ask('AddMatch', [rule], { kind: 'skip' });
  }

  private askOwner(name: string): void {
    if (this.options.log) logOwn(this.ownSerial + 1, `GetNameOwner for ${name}`);
    this.ask('GetNameOwner', [name], { kind: 'owner', name });
  }

  private ask(member: string, body: readonly string[], expected: Expected): void {
    const serial = ++this.ownSerial;
    this.ownQuestions++;
    this.awaited.set(serial, expected);
    const call = { destination: BUS, path: '/org/freedesktop/DBus', interface: BUS, member };
    const signature = 's'.repeat(body.length);
    this.send({ type: MessageType.MethodCall, serial, ...call, signature }, body);
  }

  private send(fields: MessageFields, body: readonly unknown[]): void {
    const bytes = encodeMessage(fields, body);
    this.sentBytes += bytes.length;
    this.bus.reserve(bytes.length).set(bytes);
  }

  private fromBus(header: MessageHeader, fds: readonly number[]): boolean {
    const { client } = this;
    this.isBusHeld = client === undefined || !this.wantsBus;
    if (client === undefined || this.isBusHeld) return false;
    this.takenBytes += header.end - header.start;
    if (!this.options.filter) {
      this.events.admitted?.(this);
      pass(client, header, fds);
    } else if (isAnswer(header) || header.replySerial > 0) this.answered(client, header, fds);
    else this.heard(client, header, fds);
    return true;
  }

  private answered(client: SocketClient, header: MessageHeader, fds: readonly number[]): void {
    const expected = isAnswer(header) ? this.awaited.get(header.replySerial) : undefined;
    if (expected !== undefined) this.awaited.delete(header.replySerial);
    if (this.options.log) logIncoming(header, expected?.kind);
    if (expected === undefined) return drop(fds);
    switch (expected.kind) {
      case 'replace':
        drop(fds);
        client.reserve(expected.answer.length).set(expected.answer);
        return;
      case 'owner':
      case 'all-names':
      case 'skip':
        drop(fds);
        return this.learn(expected, header);
      case 'names':
        return this.passNames(client, header, fds);
      case 'hello':
        for (const name of bodyTexts(header)) this.names.grant(name, Access.Talk);
        this.events.admitted?.(this);
        return this.passIn(client, header, fds);
      case 'pass':
        return this.passIn(client, header, fds);
    }
  }

  private learn(expected: Expected, header: MessageHeader): void {
    this.ownQuestions--;
    if (header.type !== MessageType.MethodReturn) return;
    if (expected.kind === 'owner') {
      const [owner] = bodyTexts(header);
      if (owner !== undefined) this.names.noteOwner(expected.name, owner);
    } else if (expected.kind === 'all-names') {
      const wanted = namesIn(header).filter((name) => name[0] !== ':' && expected.isWanted(name));
      for (const name of wanted) this.askOwner(name);
    }
  }

  private passNames(client: SocketClient, header: MessageHeader, fds: readonly number[]): void {
    if (header.type !== MessageType.MethodReturn) return this.passIn(client, header, fds);
    drop(fds);
    const shown = namesIn(header).filter((name) => this.names.accessTo(name) >= Access.See);
    const message = decodeMessage(header.bytes.subarray(header.start, header.end));
    const bytes = encodeMessage({ ...message, unixFds: undefined }, [shown], header.littleEndian);
    client.reserve(bytes.length).set(bytes);
  }

  /** A call or a signal. */
  private heard(client: SocketClient, header: MessageHeader, fds: readonly number[]): void {
    const isShown = this.isShown(header);
    if (this.options.log) logIncoming(header, isShown ? 'pass' : 'filtered');
    if (!isShown) return drop(fds);
    if (wantsReply(header)) this.owe(`${headerText(header, 'sender')} ${header.serial}`);
    this.passIn(client, header, fds);
  }

  /** Forgets the oldest of too many calls: it is taken as one that nobody waits for any more. */
  private owe(caller: string): void {
    this.owed.add(caller);
    const [oldest] = this.owed;
    if (oldest !== undefined && this.owed.size > REMEMBERED_MAX) this.owed.delete(oldest);
  }

  private isShown(header: MessageHeader): boolean {
    if (header.type !== MessageType.Signal) return true;
    const sender = headerText(header, 'sender');
    const member = headerText(header, 'member');
    if (sender === BUS && member === 'NameOwnerChanged' && !this.isChangeShown(header)) {
      return false;
    }
    if (header.destinationLength > 0) return true;
    const subject = {
      path: headerText(header, 'path'),
      interface: headerText(header, 'interface'),
      member,
    };
    return this.names.lets(sender, 'broadcast', subject);
  }

  private isChangeShown(header: MessageHeader): boolean {
    const [name, ...owners] = bodyTexts(header);
    if (name === undefined || !this.names.isChangeShown(name)) return false;
    if (name[0] === ':') return true;
    for (const owner of owners) if (owner !== '') this.names.noteOwner(name, owner);
    return true;
  }

  /** Makes the sender of a message visible to the client, so that the client can tell when the sender has gone. */
  private passIn(client: SocketClient, header: MessageHeader, fds: readonly number[]): void {
    const sender = headerText(header, 'sender');
    if (sender[0] === ':') this.names.grant(sender, Access.See);
    pass(client, header, fds);
  }
}

function namesIn(header: MessageHeader): string[] {
  const [list] = decodeMessage(header.bytes.subarray(header.start, header.end)).body;
  return Array.isArray(list) ? list.filter((name) => typeof name === 'string') : [];
}

function isAnswer({ type }: MessageHeader): boolean {
  return type === MessageType.MethodReturn || type === MessageType.Error;
}

function isToBus(header: MessageHeader): boolean {
  return header.type === MessageType.MethodCall && headerText(header, 'destination') === BUS;
}

function pass(to: SocketClient, header: MessageHeader, fds: readonly number[]): void {
  const { bytes, start, end } = header;
  to.reserve(end - start, fds, true).set(bytes.subarray(start, end));
}

function drop(fds: readonly number[]): void {
  for (const fd of fds) closeReceived(fd);
}
