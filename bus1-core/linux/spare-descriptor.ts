import { SystemError } from './errno.js';
import { closeFd } from './fd.js';
import { createMemfd } from './memfd.js';

/**
 * A descriptor in hand. What comes over a socket while a process has as many open as it may is lost; so whoever expects
 * one that is closed again at once gives this one up for it, and takes it back afterwards.
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
