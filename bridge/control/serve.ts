import { nameThread } from '#core/linux/index.js';
import { RunningBus, type BusOptions } from './running-bus.js';

export interface ServeHooks {
  /** Clients can connect. What it throws ends the bus. */
  readonly listening: (bus: RunningBus) => void;
  /** Called on SIGTERM or SIGINT. Unless this returns true, the bus ends. */
  readonly interrupted?: (signal: NodeJS.Signals) => boolean;
}

/**
 * Runs a bus to its end. Resolves with the exit status of the process: 0, or 1 when the bus failed.
 * Rejects with StartupError when it never served anybody.
 */
export async function serve(options: BusOptions, hooks: ServeHooks): Promise<number> {
  nameThread('bus1-bridge');
  let bus: RunningBus | undefined;
  let isStopping = false;
  const interrupted = (signal: NodeJS.Signals): void => {
    if (hooks.interrupted?.(signal) === true) return;
    isStopping = true;
    bus?.stop();
  };
  // Installed before there is a socket: a signal must not leave the socket's file behind.
  process.on('SIGTERM', interrupted);
  process.on('SIGINT', interrupted);
  process.on('SIGHUP', () => bus?.reload('SIGHUP'));
  bus = new RunningBus(options);
  try {
    await bus.serve();
    if (!isStopping) {
      hooks.listening(bus);
      bus.announce();
    }
  } catch (error) {
    bus.stop();
    await bus.ended;
    // A host that was stopped before it was ready has not failed.
    if (isStopping) return 0;
    throw error;
  }
  return (await bus.ended) === undefined ? 0 : 1;
}
