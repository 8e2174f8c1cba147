import { sdNotify } from '#core/linux/index.js';

/** Tells the service manager, if there is one that listens, how the bus is: sd_notify(3). */
export const serviceManager = {
  ready(): void {
    notify('READY=1');
  },

  /** To be followed by `ready`: systemd.service(5), Type=notify-reload. */
  reloading(): void {
    const microseconds = process.hrtime.bigint() / 1000n;
    notify(`RELOADING=1\nMONOTONIC_USEC=${microseconds}`);
  },

  stopping(): void {
    notify('STOPPING=1');
  },
};

/** A bus whose manager has gone, or has a broken socket, goes on all the same. */
function notify(text: string): void {
  try {
    sdNotify(text);
  } catch {
    // Nobody is left who wants to know.
  }
}
