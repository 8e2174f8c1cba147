import { SystemError } from './errno.js';
import { closeFd } from './fd.js';
import { createMemfd } from './memfd.js';

/**
 * A reserved descriptor. Descriptors that arrive over a socket are lost while a process has as many open as it may; so
 * code that expects one, which it will close again at once, gives up the reserved one first and reopens it afterwards.
 */
export class SpareDescriptor {
  private fd = -1;

  /** @returns whether there was one */
  giveUp(): boolean {
    if (this.fd < 0) return false;
    closeFd(this.fd);
    this.fd = -1;
    return true;
  }

  /** Reserves a descriptor again, if this process may open one. */
  save(): void {
    if (this.fd >= 0) return;
    try {
      this.fd = createMemfd('spare', 0, { allowSealing: false });
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
  }
}
