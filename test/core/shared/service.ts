import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  LocalDomain,
  Message,
  ReceivedType,
  ResourceUser,
  SendStatus,
  type Handle,
  type Maxima,
  type Peer,
} from '#core/index.js';
import { socketPair, watchReadable, type LoopWatch } from '#core/linux/index.js';
import { Authority, SharedDomain } from '#core/shared/index.js';

const MAXIMA: Maxima = { objects: 1024, bytes: 2 ** 26, descriptors: 64 };

/** An authority and a service that answers every call, in this process; the service is the domain's root. */
export class Service {
  readonly directory = mkdtempSync(join(tmpdir(), 'shared-service-'));
  readonly path = join(this.directory, 'authority');
  readonly local = new LocalDomain();
  readonly user = new ResourceUser(process.getuid!(), MAXIMA);
  readonly peer: Peer;
  readonly domain: SharedDomain;
  readonly authority: Authority;
  readonly diagnostics: string[] = [];
  /** of the service's peer: NODE_RELEASE and HANDLE_RELEASE */
  readonly notifications: number[] = [];
  /** handles that came with calls, kept when `keepsHandles` */
  readonly kept: Handle[] = [];
  keepsHandles = false;
  private readonly watches: LoopWatch[];
  private readonly changes = new Set<() => void>();

  constructor() {
    const onDiagnostic = (text: string) => void this.diagnostics.push(text);
    this.authority = new Authority({ onDiagnostic, mayNameAccounts: () => false });
    this.authority.listen(this.path);
    this.peer = this.local.openPeer({ user: this.user });
    const { handle } = this.peer.createNode();
    const [ours, theirs] = socketPair();
    this.authority.admit(ours, { isRoot: true });
    const { local } = this;
    const options = { local, maxima: MAXIMA, root: handle, onDiagnostic };
    this.domain = SharedDomain.join(theirs, options);
    this.watches = [
      watchReadable(this.authority.fd, () => {
        this.authority.dispatch();
        this.changed();
      }),
      this.domain.attach(() => this.serve()),
    ];
  }

  fork(script: string, ...args: readonly string[]): ChildProcess {
    const path = fileURLToPath(new URL(script, import.meta.url));
    return fork(path, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  /** Waits until `isSo`; looks again whenever anything has happened. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        const look = () => {
          this.changes.delete(look);
          resolve();
        };
        this.changes.add(look);
        setTimeout(look, 20);
      });
    }
  }

  /** What has to be as it was when a member has come and gone. */
  resources() {
    const isOurs = (target: string) => /memfd:bus1|eventfd|socket/.test(target);
    const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
    return {
      ...this.domain.counts(),
      handlesWithLinks: this.local.counters.handles,
      peersWithLinks: this.local.counters.peers,
      charged: this.local.chargedTo([this.user]),
      descriptors: openDescriptors().filter(isOurs).length,
      mappings: maps.filter((line) => line.includes('memfd:bus1')).length,
      channels: this.domain.counters.channels,
    };
  }

  /** Sends through `handle` until that is refused; returns how many messages were accepted. */
  flood(handle: Handle): number {
    const message = new Message();
    message.addPiece(new Uint8Array(4096), 0, 4096);
    let accepted = 0;
    while (this.peer.send(handle, message) === SendStatus.Sent) accepted++;
    return accepted;
  }

  close(): void {
    for (const watch of this.watches) watch.close();
    this.peer.close();
    this.domain.close();
    this.authority.close();
    rmSync(this.directory, { recursive: true });
  }

  private serve(): void {
    const answer = new Message();
    for (let next = this.peer.receive(); next !== undefined; next = this.peer.receive()) {
      if (next.type !== ReceivedType.User) {
        this.notifications.push(next.type);
        continue;
      }
      answer.clear();
      answer.addPiece(next.bytes, 0, next.bytes.length);
      if (this.keepsHandles) this.kept.push(...next.handles);
      else this.answer(next.handles, answer);
      next.descriptors?.drop();
    }
    this.changed();
  }

  private answer(handles: readonly Handle[], message: Message): void {
    const replyTo = handles.at(-1);
    if (replyTo !== undefined) this.peer.send(replyTo, message);
    this.peer.releaseAll(handles.filter(({ live }) => live));
  }

  private changed(): void {
    for (const look of Array.from(this.changes)) look();
  }
}

/** An honest member, in a process of its own. */
export class Caller {
  readonly child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.child = child;
  }

  static async start(service: Service, ...args: readonly string[]): Promise<Caller> {
    const child = service.fork('caller.mjs', service.path, ...args);
    await once(child, 'message');
    return new Caller(child);
  }

  async call(times: number): Promise<{ answered: number; lost: boolean }> {
    this.child.send(times);
    const [answer] = (await once(this.child, 'message')) as [{ answered: number; lost: boolean }];
    return answer;
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill(signal);
    await ended;
  }
}

function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}
