import { sdNotify } from '#core/linux/index.js';

/** Notifies the service manager, if there is one, of the state of the bus: sd_notify(3). */
export const serviceManager = {
  ready(): void {
    notify(`READY=1\nSTATUS=Serving clients.`);
  },

  /**
   * Pings systemd's watchdog at half its interval to show that the control plane runs: systemd.service(5),
   * WatchdogSec=. Nothing is sent if no watchdog is on.
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
    notify(`RELOADING=1\nMONOTONIC_USEC=${microseconds}\nSTATUS=Reading the configuration.`);
  },

  stopping(): void {
    notify('STOPPING=1\nSTATUS=Closing the connections.');
  },
};

/** Errors are ignored: a bus whose manager has gone, or has a broken socket, continues to run. */
function notify(text: string): void {
  try {
    sdNotify(text);
  } catch {
    // The service manager is gone.
  }
}
