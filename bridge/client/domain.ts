import { Authority } from '#core/shared/index.js';
import { socketPair, watchReadable, type LoopWatch } from '#core/linux/index.js';
import { Capability } from './capability.js';
import { exportObject, objectOf, unexportObject, type ExportOptions } from './exported-object.js';
import { HeldHandle } from './held-handle.js';
import { Member, type MemberOptions } from './member.js';
import { ObjectSignals } from './object-signals.js';
import { listOf, type ServedInterfaces } from './served-interface.js';
import type { ServedObject } from './served-object.js';

export interface DomainOptions extends MemberOptions {
  /** until this process has been admitted; 10 s by default */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CreateOptions extends DomainOptions {
  /** permissions of the socket: by default 0600, for processes of the same user */
  readonly mode?: number | undefined;
}

const ADMISSION_TIMEOUT_MS = 10_000;

/**
 * A domain without D-Bus: no names, no broadcasts, no bridge. Everything is reached by capabilities, beginning with
 * that of the root object.
 */
export class Domain {
  /** the object that the domain was created with */
  readonly root: Capability;
  /** resolves with the reason when this was closed */
  readonly closed: Promise<string>;
  readonly #member: Member;
  readonly #host: AuthorityHost | undefined;

  private constructor(member: Member, root: Capability, host?: AuthorityHost) {
    this.#member = member;
    member.objectSignals = new ObjectSignals(member);
    this.#host = host;
    this.root = root;
    this.closed = member.closed;
  }

  /**
   * Creates a domain whose processes are admitted at the socket `path`, and whose root object has these interfaces
   * (see `implement`).
   *
   * @throws SystemError when the socket cannot be made
   */
  static async create(
    path: string,
    interfaces: ServedInterfaces,
    options: CreateOptions = {},
  ): Promise<Domain> {
    const host = new AuthorityHost(path, options);
    let member: Member | undefined;
    try {
      let root: Capability | undefined;
      member = new Member(host.connect(), options, (founder) => {
        root = exportObject(founder, listOf(interfaces));
        return root.handleToSend();
      });
      await member.awaitAdmission(options.timeoutMs ?? ADMISSION_TIMEOUT_MS, options.signal);
      return new Domain(member, root!, host);
    } catch (error) {
      member?.close('the domain could not be created');
      host.close();
      throw error;
    }
  }

  /** Joins the domain whose authority listens at `path`. @throws SystemError, ClientError `JoinFailed` */
  static async join(path: string, options: DomainOptions = {}): Promise<Domain> {
    const member = new Member(path, options);
    try {
      await member.awaitAdmission(options.timeoutMs ?? ADMISSION_TIMEOUT_MS, options.signal);
      return Domain.#joined(member);
    } catch (error) {
      member.close('this process could not join');
      throw error;
    }
  }

  /** Like `join`, blocking the thread. `signal` is ignored. */
  static joinSync(path: string, options: DomainOptions = {}): Domain {
    const member = new Member(path, options);
    try {
      member.awaitAdmissionSync(options.timeoutMs ?? ADMISSION_TIMEOUT_MS);
      return Domain.#joined(member);
    } catch (error) {
      member.close('this process could not join');
      throw error;
    }
  }

  static #joined(member: Member): Domain {
    return new Domain(
      member,
      Capability.of(new HeldHandle(member, member.shared.copyRoot(member.peer))),
    );
  }

  /** Makes an object of this process. It lives as long as a capability to it exists. */
  export(interfaces: ServedInterfaces, options?: ExportOptions): Capability {
    return exportObject(this.#member, listOf(interfaces), options);
  }

  /** Ends an object that `export` made: all capabilities to it become invalid. */
  unexport(capability: Capability): void {
    unexportObject(this.#member, capability);
  }

  /**
   * The object behind a capability that `export` made here: its signals reach everyone who has subscribed through a
   * capability to it.
   *
   * @throws TypeError for any other, ClientError when it is gone
   */
  objectOf(capability: Capability): ServedObject {
    return objectOf(this.#member, capability);
  }

  /** Blocks the thread until something has arrived and was dealt with (true), or `timeoutMs` (-1: no end) are over. */
  wait(timeoutMs: number): boolean {
    return this.#member.wait(timeoutMs);
  }

  /** Leaves the domain. In the process that created it this also ends introductions: existing channels go on. */
  close(): void {
    this.#member.close('close() was called');
    this.#host?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}

/** An authority in Node's loop. */
class AuthorityHost {
  private readonly authority: Authority;
  private readonly watch: LoopWatch;
  private isOpen = true;

  constructor(path: string, { mode = 0o600, onDiagnostic }: CreateOptions) {
    this.authority = new Authority(onDiagnostic === undefined ? {} : { onDiagnostic });
    this.authority.listen(path, mode);
    this.watch = watchReadable(this.authority.fd, () => this.isOpen && this.authority.dispatch());
  }

  /** The socket of the process that has the root object. */
  connect(): number {
    const [ours, theirs] = socketPair();
    this.authority.admit(ours, { isRoot: true });
    return theirs;
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.watch.close();
    this.authority.close();
  }
}
