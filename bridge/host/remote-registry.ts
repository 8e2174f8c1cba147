import { DescriptorSet, Message, NewNode, SendStatus, type Handle } from '#core/index.js';
import { closeFd, duplicate } from '#core/linux/index.js';
import { Connection, type Credentials } from '#bridge/registry/connection.js';
import { Control, controlMessage } from '#bridge/registry/control-message.js';
import type { DirectoryNodeContext, DirectoryPeer } from '#bridge/registry/directory.js';
import type { HostReport } from '#bridge/registry/host-report.js';
import { Replica, Synchronisation } from '#bridge/registry/replica.js';
import type { MessageHeader } from '#bridge/wire/header.js';

import { figuresOf, hostStatus } from './figures.js';
import type { HostDomain } from './host-domain.js';
import type { HostOptions } from './host-options.js';
import type { Host } from './host.js';
import { signalMissed } from './refusals.js';
import { ADMISSION, INBOX, Lookup, type ShimMessage } from './node-contexts.js';
import { Program } from './program.js';
import type { RegistryAccess } from './registry-access.js';
import type { Shim } from './shim.js';

/** The longest wait for the registry: calls whose callee has gone must end even if it does not answer. */
const NEWS_TIMEOUT_MS = 2000;

/** How long the registry may take at start-up to send the whole directory. */
const MIRROR_TIMEOUT_MS = 10_000;

/**
 * Registry and driver in another process: shims wait for their answers, and a replica of the directory is kept
 * here, so that a message to a known destination needs no request.
 */
export class RemoteRegistry implements RegistryAccess {
  readonly directory: Replica;
  private readonly host: Host;
  /** handle to the domain's root node, where the driver admits clients; dead once the driver's process has ended */
  private readonly door: Handle;
  private readonly message: ShimMessage = new Message();
  private readonly question = new Message<never, DirectoryNodeContext>();
  private awaitingNews: (() => void)[] = [];
  /** by process ID of the client */
  private readonly programs = new Map<number, Program>();

  constructor(host: Host, domain: HostDomain) {
    this.host = host;
    const user = host.userOf(host.options.uid);
    const onArrival = (): void => {
      host.isUnsettled = true;
    };
    const peer: DirectoryPeer = host.domain.openPeer({ user, onArrival });
    this.directory = new Replica(peer, host.grants, {
      isOfBus: (process) => domain.isTrusted(process),
      withheld: ({ header }, sender, facet) => host.witness.showRefusal(header, sender, facet),
      missed: (inbox, sender, message) => signalMissed(host, inbox, sender, message),
      ownerChanged: (name) => host.forgetName(name),
      policyChanged: ({ rules, limits }) => host.reload(rules, limits),
      report: () => this.report(),
      clientCame: (fd, client) => host.entrance.takeFromElsewhere(duplicate(fd), client),
    });
    this.door = domain.shared.copyRoot(peer);
    this.follow(domain);
  }

  get isAlive(): boolean {
    return this.door.live;
  }

  admit(shim: Shim, credentials: Credentials): void {
    const { pidFd } = credentials;
    const takesDescriptors = shim.hasUnixFds;
    shim.connection = new Connection(credentials, () => figuresOf(shim));
    const message = controlMessage(this.message, Control.Admit, { takesDescriptors, credentials });
    const inbox = shim.peer.createNode();
    inbox.node.context = INBOX;
    message.addTransfer(inbox.handle);
    message.newNode = NewNode.OneShot;
    message.newNodeContext = ADMISSION;
    const copy = pidFd === undefined ? null : new DescriptorSet([duplicate(pidFd)], closeFd);
    message.descriptors = copy;
    const door = this.directory.peer.copyHandle(this.door, shim.peer);
    shim.wait();
    shim.peer.send(door, message);
    copy?.drop();
    shim.peer.release(door, inbox.handle);
  }

  resolve(shim: Shim, name: string, header: MessageHeader): null {
    const lookup = new Lookup(name);
    const message = controlMessage(this.message, Control.Resolve, { name });
    message.newNode = NewNode.OneShot;
    message.newNodeContext = lookup;
    shim.hold(header, lookup);
    const isAsked =
      shim.registry.live && shim.peer.send(shim.registry, message) === SendStatus.Sent;
    if (!isAsked) lookup.isAnswered = true;
    if (lookup.isAnswered) this.host.continueWith(shim);
    return null;
  }

  /** Waits until the driver has processed the message: what follows may rely on it. */
  sentToDriver(shim: Shim): void {
    if (shim.driver.handle.live) shim.wait();
  }

  /** Sends one request to the driver, whose answer comes after everything that the driver had to send before. */
  whenTold(action: () => void): void {
    if (this.awaitingNews.push(action) > 1) return;
    this.host.isUnsettled = true;
  }

  joined(shim: Shim): void {
    const { pid } = shim.connection.credentials;
    if (pid === undefined) return;
    let program = this.programs.get(pid);
    if (program === undefined) this.programs.set(pid, (program = new Program(this.host)));
    program.join(shim);
  }

  setAccepting(isAccepting: boolean): void {
    const { peer } = this.directory;
    const message = controlMessage(this.question, Control.Accepting, { isAccepting });
    if (this.door.live) peer.send(this.door, message);
  }

  left(shim: Shim): void {
    const { program } = shim;
    const { pid } = shim.connection.credentials;
    if (program === null || program.leave(shim) || pid === undefined) return;
    this.programs.delete(pid);
  }

  catchUp(): void {
    this.directory.run();
  }

  run(): void {
    this.directory.run();
    if (this.awaitingNews.length > 0) this.askForNews(this.awaitingNews.splice(0));
  }

  private askForNews(actions: readonly (() => void)[]): void {
    let isOver = false;
    const finish = (): void => {
      if (isOver) return;
      isOver = true;
      cancel();
      for (const action of actions) action();
    };
    const message = controlMessage(this.question, Control.Sync, {});
    message.newNode = NewNode.OneShot;
    message.newNodeContext = new Synchronisation(finish);
    const cancel = this.host.at(performance.now() + NEWS_TIMEOUT_MS, finish);
    const isAsked =
      this.door.live && this.directory.peer.send(this.door, message) === SendStatus.Sent;
    if (!isAsked) finish();
  }

  /** The process of the registry sends the new rules to all hosts, including this one. */
  reload(rules: HostOptions['rules']): void {
    this.host.grants.reload(rules, this.directory.connections.values());
  }

  /** Asks the registry for its directory and all changes, and waits until the directory has arrived. */
  private follow(domain: HostDomain): void {
    const { peer } = this.directory;
    const { handle } = peer.createNode();
    const message = controlMessage(this.question, Control.Mirror, {});
    message.addTransfer(handle);
    message.newNode = NewNode.OneShot;
    peer.send(this.door, message);
    peer.release(handle);
    const answer = message.createdNode;
    const deadline = performance.now() + MIRROR_TIMEOUT_MS;
    const isWaiting = (): boolean => answer?.live === true;
    while (isWaiting()) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0)
        throw new Error(`the registry did not answer within ${MIRROR_TIMEOUT_MS} ms`);
      domain.shared.wait(leftMs);
      this.directory.run();
    }
  }

  private report(): HostReport {
    const figures = [...this.host.connected].map((shim) => ({
      number: shim.number,
      of: figuresOf(shim),
    }));
    return { status: hostStatus(this.host), denials: this.host.denials.list(), figures };
  }
}
