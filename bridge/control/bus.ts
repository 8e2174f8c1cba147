import { existsSync } from 'node:fs';
import { Subject, merge, type Subscription } from 'rxjs';
import type { HostEvent } from '#bridge/host/thread-messages.js';
import { DEFAULT_LIMITS, formatDiagnostic, type BusConfig, type BusLimits } from '#policy/index.js';
import { configChanges } from './config-watch.js';
import { BUILT_IN, loadConfiguration, type Configuration } from './configuration.js';
import { HostThread } from './host-thread.js';
import { keyringOf } from './keyring.js';
import { listenOnAll, printedAddress } from './listen.js';
import type { ListeningSocket } from './listening-socket.js';
import type { Logger } from './logger.js';
import { newUuid, readMachineId } from './machine-id.js';
import { mechanismsOf } from './mechanisms.js';
import { raiseOpenFilesLimit } from './open-files-limit.js';
import { refuseExistingPidFile, writePidFile } from './pid-file.js';
import { becomeUser, daemonUser } from './privileges.js';
import { serviceManager } from './service-manager.js';
import { textOf } from './startup-error.js';

export interface BusOptions {
  readonly configuration: Configuration;
  /** Instead of the <listen> elements. */
  readonly addresses?: readonly string[];
  readonly writesPidFile: boolean;
  readonly logger: Logger;
}

/** A running bus: the sockets and files that belong to it, and the thread that carries its messages. */
export class Bus {
  readonly guid = newUuid();
  /** What clients connect to, as dbus-daemon prints it. */
  readonly address: string;
  /** Resolves when the bus has ended: undefined, or why it did so by itself. */
  readonly ended: Promise<string | undefined>;
  readonly #options: BusOptions;
  readonly #sockets: readonly ListeningSocket[];
  readonly #removePidFile: () => void;
  readonly #host: HostThread;
  readonly #reloads = new Subject<string>();
  #watching: Subscription | undefined;

  /** Listens, gives up privileges, starts the thread. Throws StartupError. */
  constructor(options: BusOptions) {
    const { configuration, logger, writesPidFile } = options;
    const { config } = configuration;
    this.#options = options;
    logDiagnostics(configuration, logger);
    const mechanisms = mechanismsOf(config);
    const user = config.user === undefined ? undefined : daemonUser(config.user);
    const pidFile = writesPidFile ? config.pidFile : undefined;
    if (pidFile !== undefined) refuseExistingPidFile(pidFile);
    raiseOpenFilesLimit(logger);
    this.#sockets = listenOnAll(options.addresses ?? config.listen, process.env);
    this.address = printedAddress(this.#sockets, this.guid);
    try {
      this.#removePidFile = pidFile === undefined ? () => {} : writePidFile(pidFile);
      if (user !== undefined) becomeUser(user);
    } catch (error) {
      for (const socket of this.#sockets) socket.remove();
      throw error;
    }
    this.#host = new HostThread({
      keyring: keyringOf(process.getuid!()),
      options: {
        listenFds: this.#sockets.map(({ fd }) => fd),
        limits: limitsOf(config),
        rules: config.policy,
        guid: this.guid,
        machineId: this.#machineId(),
        uid: process.getuid!(),
        pid: process.pid,
        mechanisms,
        allowAnonymous: config.allowAnonymous,
      },
    });
    this.#host.events.subscribe((event) => this.#take(event));
    this.#reloads.subscribe((reason) => this.#reload(reason));
    this.ended = this.#host.ended.then((failure) => this.#cleanUp(failure));
  }

  /** Resolves when clients are served; rejects with StartupError. */
  async serve(): Promise<void> {
    await this.#host.ready;
    this.#watch(this.#options.configuration.config);
    serviceManager.ready();
    this.#options.logger.info({ address: this.address, pid: process.pid }, 'the bus listens');
  }

  /** Reads the configuration again; whoever is connected stays so. */
  reload(reason: string): void {
    this.#reloads.next(reason);
  }

  /** Ends the bus; `ended` resolves soon. */
  stop(): void {
    serviceManager.stopping();
    this.#host.post({ type: 'stop' });
  }

  #machineId(): string {
    const id = readMachineId();
    if (id !== undefined) return id;
    const generated = newUuid();
    this.#options.logger.warn({ generated }, 'no /etc/machine-id: this run of the bus uses its own');
    return generated;
  }

  #take(event: HostEvent): void {
    const { logger } = this.#options;
    if (event.type === 'log') logger[event.level](event.fields, event.message);
    if (event.type === 'failed') logger.fatal(event.message);
  }

  #reload(reason: string): void {
    const { logger, configuration } = this.#options;
    serviceManager.reloading();
    try {
      const next = loadConfiguration(configuration.path);
      logDiagnostics(next, logger);
      this.#host.post({ type: 'reload', rules: next.config.policy, limits: limitsOf(next.config) });
      this.#watch(next.config);
      logger.info({ reason }, 'configuration reloaded');
    } catch (error) {
      logger.error({ reason }, `${textOf(error)}; the bus goes on with what it had`);
    }
    serviceManager.ready();
  }

  #watch(config: BusConfig): void {
    const { path } = this.#options.configuration;
    this.#watching?.unsubscribe();
    this.#watching = merge(configChanges(config)).subscribe(() => {
      // A configuration that was only needed to start may be gone by now.
      if (path === BUILT_IN || existsSync(path)) this.reload('a file has changed');
    });
  }

  #cleanUp(failure: string | undefined): string | undefined {
    this.#watching?.unsubscribe();
    for (const socket of this.#sockets) socket.remove();
    this.#removePidFile();
    return failure;
  }
}

function limitsOf(config: BusConfig): BusLimits {
  return { ...DEFAULT_LIMITS, ...config.limits };
}

function logDiagnostics({ diagnostics }: Configuration, logger: Logger): void {
  for (const diagnostic of diagnostics) {
    const level = diagnostic.severity === 'error' ? 'error' : 'warn';
    logger[level]({ code: diagnostic.code }, formatDiagnostic(diagnostic));
  }
}
