import { DescriptorSet } from '#core/index.js';
import { closeReceived } from '#core/linux/index.js';
import { UNIX_FDS_MAX } from '#bridge/wire/limits.js';

import type { Deadline } from './deadlines.js';
import type { Shim } from './shim.js';
import { EffortOf } from './turn-share.js';

/** The descriptors that a client has sent: each message claims its own, and none may wait for ever. */
export class DescriptorClaims {
  private readonly shim: Shim;
  private deadline: Deadline | null = null;

  constructor(shim: Shim) {
    this.shim = shim;
  }

  /** Takes the descriptors of a message. Returns false after closing the connection: they are too few or too many. */
  claim(count: number): boolean {
    const { host, inflow } = this.shim;
    const limit = Math.min(host.limits.maxMessageUnixFds, UNIX_FDS_MAX);
    const fds = count <= limit ? inflow.claimDescriptors(count) : undefined;
    if (fds === undefined) {
      host.close(this.shim, this.fault(count, limit));
      return false;
    }
    this.cancel();
    this.shim.share.charge(EffortOf.Descriptor * count);
    host.descriptors = new DescriptorSet(fds, closeReceived);
    return true;
  }

  /** Descriptors whose message has not arrived may wait no longer than pending_fd_timeout. */
  // hot
  review(): void {
    const hasWaiting = this.shim.live && this.shim.inflow.descriptorCount > 0;
    if (hasWaiting && this.deadline === null) this.watch();
    else if (!hasWaiting && this.deadline !== null) this.cancel();
  }

  cancel(): void {
    if (this.deadline === null) return;
    this.shim.host.deadlines.cancel(this.deadline);
    this.deadline = null;
  }

  private watch(): void {
    const { shim } = this;
    const { host } = shim;
    const { pendingFdTimeoutMs } = host.limits;
    this.deadline = host.deadlines.add(performance.now() + pendingFdTimeoutMs, () => {
      this.deadline = null;
      const limit = `pending_fd_timeout=${pendingFdTimeoutMs} ms`;
      host.close(shim, `the message of its file descriptors did not arrive within ${limit}`);
    });
  }

  private fault(count: number, limit: number): string {
    if (count > limit) {
      return `its message carries ${count} file descriptors, more than max_message_unix_fds=${limit}`;
    }
    return this.shim.hasUnixFds
      ? `its message announces ${count} file descriptors that did not arrive`
      : 'it sent file descriptors without having negotiated them';
  }
}
