import { SystemError } from './errno.js';
import { closeFd } from './fd.js';
import { createMemfd } from './memfd.js';

/**
 * A reserved descriptor. What arrives over a socket is lost while a process has as many descriptors open as it may;
 * so code that expects one that it will close again at once gives up the reserved one for it, and reopens it
 * afterwards.
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

  /** Has one in hand from now on, if there is one to be had. */
  save(): void {
    if (this.fd >= 0) return;
    try {
      this.fd = createMemfd('spare', 0, { allowSealing: false });
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
  }
}
