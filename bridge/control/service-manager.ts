import { sdNotify } from '#core/linux/index.js';

/** Tells the service manager, if there is one that listens, how the bus is: sd_notify(3). */
export const serviceManager = {
  ready(): void {
    notify(`READY=1\nSTATUS=Clients are served.`);
  },

  /**
   * Tells at half the interval that the service manager waits for that the control plane goes on: systemd.service(5),
   * WatchdogSec=. Nothing is sent where no watchdog is on.
   */
  watch(): void {
    const { WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid } = process.env;
    if (microseconds === undefined || !/^[1-9]\d*$/.test(microseconds)) return;
    if (pid !== undefined && pid !== String(process.pid)) return;
    setInterval(() => notify('WATCHDOG=1'), Number(microseconds) / 2000).unref();
  },

  /** To be followed by `ready`: systemd.service(5), Type=notify-reload. */
  reloading(): void {
    const microseconds = process.hrtime.bigint() / 1000n;
    notify(`RELOADING=1\nMONOTONIC_USEC=${microseconds}\nSTATUS=Reads its configuration.`);
  },

  stopping(): void {
    notify('STOPPING=1\nSTATUS=Closes its connections.');
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
