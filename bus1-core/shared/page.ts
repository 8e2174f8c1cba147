import {
  closeFd,
  createMemfd,
  memfdBytes,
  Seal,
  SharedMapping,
  sealMemfd,
} from '../linux/index.js';
import { PAGE_BYTES, PageOffset, SleepMode } from './layout.js';

const SLEEP = PageOffset.Sleep >>> 2;
const COMMITTED = PageOffset.Committed >>> 2;

/** Processes that can map a page must not be able to write to it: F_SEAL_FUTURE_WRITE, Linux 5.1. */
const PAGE_SEALS = Seal.Shrink | Seal.Grow | Seal.FutureWrite;

/** The page of this process, in which it publishes what it has committed and whether it sleeps. */
export class OwnPage {
  readonly fd: number;
  private readonly mapping: SharedMapping;
  private sleeps = 0;
  private committed = 0;

  constructor() {
    this.fd = createMemfd('bus1-page', PAGE_BYTES);
    this.mapping = SharedMapping.map(this.fd, PAGE_BYTES, { writable: true });
    sealMemfd(this.fd, PAGE_SEALS | Seal.Seal);
  }

  /** The number that the next multi-process transaction will have. */
  get nextTransaction(): number {
    return (this.committed + 1) >>> 0;
  }

  /** The linearisation point: from now on the entries of transaction `nextTransaction` count. */
  commit(stampNs: number): void {
    this.committed = this.nextTransaction;
    this.mapping.view.setFloat64(PageOffset.Stamp, stampNs, true);
    Atomics.store(this.mapping.words, COMMITTED, this.committed | 0);
  }

  /** Announces a sleep; the caller must check once more after this for what has arrived. */
  sleep(mode: SleepMode): void {
    this.sleeps = (this.sleeps + 1) & 0x3fff_ffff;
    Atomics.store(this.mapping.words, SLEEP, (this.sleeps << 2) | mode);
  }

  wake(): void {
    Atomics.store(this.mapping.words, SLEEP, (this.sleeps << 2) | SleepMode.Awake);
  }

  close(): void {
    closeFd(this.fd);
    this.mapping.unmap();
  }
}

/** The page of another process. Nothing in it is trusted: at worst its owner is served late. */
export class PeerPage {
  private readonly mapping: SharedMapping;

  /** Takes over `fd`. */
  constructor(fd: number) {
    try {
      this.mapping = SharedMapping.map(fd, PAGE_BYTES, { writable: false });
    } finally {
      closeFd(fd);
    }
  }

  get sleepWord(): number {
    return Atomics.load(this.mapping.words, SLEEP);
  }

  get committed(): number {
    return Atomics.load(this.mapping.words, COMMITTED) >>> 0;
  }

  /** Stamp of the transaction `committed`, valid if `committed` is still the same afterwards. */
  get stampNs(): number {
    return this.mapping.view.getFloat64(PageOffset.Stamp, true);
  }

  close(): void {
    this.mapping.unmap();
  }
}

/** Whether `fd` can be mapped safely: it cannot shrink, and no other process can write to it. */
export function isPage(fd: number): boolean {
  return memfdBytes(fd, PAGE_SEALS) === PAGE_BYTES;
}
