/**
 * File descriptors that travel with a message (an extension: the 2026 RFC has none). All receivers of a multicast
 * share one set; when the last reference is dropped, the descriptors are closed.
 */
export class DescriptorSet {
  readonly fds: readonly number[];
  private readonly close: (fd: number) => void;
  private references = 1;

  /** Takes ownership of `fds`; `close` is called once for each when the last reference is dropped. */
  constructor(fds: readonly number[], close: (fd: number) => void) {
    this.fds = fds;
    this.close = close;
  }

  get count(): number {
    return this.fds.length;
  }

  retain(): this {
    this.references++;
    return this;
  }

  drop(): void {
    this.references--;
    if (this.references !== 0) return;
    for (const fd of this.fds) this.close(fd);
  }
}
