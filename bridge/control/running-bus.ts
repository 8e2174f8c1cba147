import { existsSync, readFileSync } from 'node:fs';
import type { Subscription } from 'rxjs';
import { forgetProgramPages, getuid, randomBytes, returnFreedMemory } from '#core/linux/index.js';
import type { ReloadFailure } from '#bridge/driver/bus-settings.js';
import { collectGarbage } from '#bridge/host/memory-return.js';
import type { HostEvent } from '#bridge/host/thread-messages.js';
import { MECHANISMS, isMechanismName, type MechanismName } from '#bridge/sasl/mechanism.js';
import type { UplinkOptions } from '#bridge/uplink/uplink-options.js';
import type { Mapping } from '#mappings/index.js';
import { DEFAULT_LIMITS, type BusConfig, type BusLimits } from '#policy/index.js';
import { Activation } from './activation.js';
import { activationSettings, type ActivationSettings } from './activation-settings.js';
import { BusResources } from './bus-resources.js';
import { configChanges } from './config-watch.js';
import {
  BUILT_IN,
  logDiagnostics,
  reloadConfiguration,
  reloadErrorName,
  type Configuration,
} from './configuration.js';
import { ownKeyring } from './cookie-keyring.js';
import type { HostJob } from './data-plane.js';
import { HostProcesses } from './host-processes.js';
import { HostThread } from './host-thread.js';
import { closeAllOnExec } from './inherited-descriptors.js';
import { printedAddress } from './listen.js';
import type { Logger } from './logger.js';
import { raiseOpenFilesLimit } from './open-files-limit.js';
import { ReloadLog } from './reload-log.js';
import { serviceManager } from './service-manager.js';
import { StartupError, textOf } from './startup-error.js';

/** Memory is returned after this long without another reload. */
const QUIET_MS = 1000;

export interface BusOptions {
  readonly configuration: Configuration;
  /** Instead of the <listen> elements. */
  readonly addresses?: readonly string[] | undefined;
  readonly writesPidFile: boolean;
  readonly usesSystemd: boolean;
  /** Whether programs can join the bus's domain as native peers. */
  readonly hasDomain: boolean;
  /** How many processes carry connections; 1, the default: this one does. More need a domain. */
  readonly hosts?: number | undefined;
  /** How long hosts spin before they sleep, in µs; by default for as long as that pays. */
  readonly lookUs?: number | undefined;
  /** An existing bus that this one is to be attached to. */
  readonly uplink?: UplinkOptions | undefined;
  /** How native peers reach services. */
  readonly mappings?: readonly Mapping[] | undefined;
  readonly logger: Logger;
}

/** A running bus: its sockets and files, and the thread that carries its messages. */
export class RunningBus {
  readonly guid = newUuid();
  /** The address that clients connect to, as dbus-daemon prints it. */
  readonly address: string;
  readonly activation: ActivationSettings;
  /** Resolves when the bus has ended: with undefined, or with the reason if it has failed. */
  readonly ended: Promise<string | undefined>;
  readonly #logger: Logger;
  readonly #reloadLog: ReloadLog;
  readonly #configPath: string;
  readonly #resources: BusResources;
  readonly #host: HostThread;
  readonly #processes: HostProcesses | undefined;
  readonly #activation: Activation;
  #config: BusConfig;
  #watching: Subscription | undefined;
  #quiet: NodeJS.Timeout | undefined;

  /** Listens, gives up privileges, and starts the thread. Throws StartupError. */
  constructor(options: BusOptions) {
    const { configuration, hasDomain, hosts = 1, logger } = options;
    const { config, path } = configuration;
    this.#logger = logger;
    this.#reloadLog = new ReloadLog(logger);
    this.#configPath = path;
    this.#config = config;
    const mechanisms = mechanismsOf(config);
    raiseOpenFilesLimit(logger);
    closeAllOnExec();
    this.#resources = new BusResources({
      addresses: options.addresses ?? config.listen,
      pidFile: options.writesPidFile ? config.pidFile : undefined,
      user: config.user,
      hasDomain,
    });
    this.address = printedAddress(this.#resources.sockets, this.guid);
    this.activation = activationSettings(config, options.usesSystemd);
    const machineId = this.#machineId();
    const job = (): HostJob => this.#job(options, mechanisms, machineId);
    this.#host = new HostThread({
      ...job(),
      uplink: options.uplink,
      mappings: options.mappings,
    });
    if (hosts !== 1) this.#processes = this.#startProcesses(hosts, job);
    this.#activation = new Activation({
      settings: this.activation,
      address: this.address,
      logger,
      post: (command) => this.#host.post(command),
    });
    this.#host.events.subscribe((event) => this.#take(event));
    this.ended = this.#host.ended.then((failure) => this.#cleanUp(failure));
    this.#watch(config);
  }

  /**
   * What a host gets when it starts: limits and policy as they are at that time. How clients authenticate stays as it
   * was when the bus started.
   */
  #job(options: BusOptions, mechanisms: readonly MechanismName[], machineId: string): HostJob {
    const { sockets, domainSockets, nonces, addresses } = this.#resources;
    const { user, allowAnonymous } = options.configuration.config;
    return {
      ...(mechanisms.includes('DBUS_COOKIE_SHA1') && { keyring: ownKeyring(user !== undefined) }),
      options: {
        listenFds: sockets.map(({ fd }) => fd),
        nonces,
        addresses,
        limits: limitsOf(this.#config),
        rules: this.#config.policy,
        guid: this.guid,
        machineId,
        uid: getuid(),
        pid: process.pid,
        mechanisms,
        allowAnonymous,
        hostCount: options.hosts ?? 1,
        lookUs: options.lookUs,
        domain: options.hasDomain ? { listenFds: domainSockets.map(({ fd }) => fd) } : undefined,
      },
    };
  }

  #startProcesses(count: number, job: () => HostJob): HostProcesses {
    const processes = new HostProcesses({
      count,
      job,
      admit: (fd) => this.#host.post({ type: 'admit-host', fd }),
      take: (event) => this.#takeFromProcess(event),
      logger: this.#logger,
    });
    processes.ready.catch(() => undefined);
    return processes;
  }

  /** Resolves when clients are served; rejects with StartupError. */
  async serve(): Promise<void> {
    await this.#host.ready;
    await this.#processes?.ready;
  }

  /** Notifies the service manager and prints the address: clients are now served. */
  announce(): void {
    serviceManager.ready();
    serviceManager.watch();
    this.#returnMemory();
    this.#logger.info({ address: this.address, pid: process.pid }, 'the bus listens');
  }

  /**
   * Reads the configuration again. All connections stay; an invalid configuration changes nothing, and its error is
   * returned.
   */
  reload(reason: string, logger = this.#logger): ReloadFailure | undefined {
    serviceManager.reloading();
    let failure: ReloadFailure | undefined;
    try {
      const next = reloadConfiguration(this.#configPath);
      logDiagnostics(next, logger);
      const { config } = next;
      this.#config = config;
      this.#host.post({ type: 'reload', rules: config.policy, limits: limitsOf(config) });
      this.#activation.reload(activationSettings(config, this.activation.usesSystemd));
      this.#watch(config);
      logger.info({ reason }, 'configuration reloaded');
    } catch (error) {
      const message = `${textOf(error)}; the bus keeps its previous configuration`;
      failure = { errorName: reloadErrorName(error), message };
      logger.error({ reason }, message);
    }
    serviceManager.ready();
    this.#returnMemory();
    return failure;
  }

  /** Ends the bus: `ended` resolves soon. */
  stop(): void {
    serviceManager.stopping();
    const processes = this.#processes?.stop() ?? Promise.resolve();
    void processes.then(() => this.#host.post({ type: 'stop' }));
  }

  /** What a start or a reload has left behind in this thread is of no use to anybody, once no other follows. */
  #returnMemory(): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      collectGarbage();
      returnFreedMemory();
      forgetProgramPages();
    }, QUIET_MS).unref();
  }

  #machineId(): string {
    const id = readMachineId();
    if (id !== undefined) return id;
    const generated = newUuid();
    this.#logger.warn(
      { generated },
      'no /etc/machine-id: using a generated machine ID until the bus ends',
    );
    return generated;
  }

  /** Requests concern the whole bus, and only the host with the registry makes them. */
  #takeFromProcess(event: HostEvent): void {
    if (event.type === 'log' || event.type === 'failed') this.#take(event);
  }

  #take(event: HostEvent): void {
    switch (event.type) {
      case 'log':
        this.#logger[event.level](event.fields, event.message);
        break;
      case 'failed':
        this.#logger.fatal(event.message);
        break;
      case 'ready':
      case 'stopped':
        break;
      case 'reload-config':
        this.#host.post({
          type: 'config-reloaded',
          failure: this.reload('ReloadConfig was called', this.#reloadLog.next()),
        });
        break;
      default:
        this.#activation.carryOut(event);
    }
  }

  #watch(config: BusConfig): void {
    this.#watching?.unsubscribe();
    this.#watching = configChanges(config).subscribe(() => {
      // A file that was only needed to start may be gone by now.
      const isThere = this.#configPath === BUILT_IN || existsSync(this.#configPath);
      if (isThere) this.reload('a file has changed');
    });
  }

  #cleanUp(failure: string | undefined): string | undefined {
    void this.#processes?.stop();
    this.#watching?.unsubscribe();
    clearTimeout(this.#quiet);
    this.#activation.close();
    this.#resources.release();
    return failure;
  }
}

function limitsOf(config: BusConfig): BusLimits {
  return { ...DEFAULT_LIMITS, ...config.limits };
}

/**
 * The mechanisms on offer: all that are known unless <auth> names some. ANONYMOUS is offered only
 * where <allow_anonymous/> lets its users in.
 */
function mechanismsOf(config: BusConfig): MechanismName[] {
  const { auth, allowAnonymous } = config;
  const named = auth.length === 0 ? MECHANISMS : auth.filter(isMechanismName);
  const offered = named.filter((name) => name !== 'ANONYMOUS' || allowAnonymous);
  if (offered.length > 0) return offered;
  const todo = `name one of ${MECHANISMS.join(', ')}, the last with <allow_anonymous/>`;
  const message = `no client could authenticate by <auth>${auth.join('</auth><auth>')}</auth>; ${todo}`;
  throw new StartupError('no-mechanism', message);
}

/** machine-id(5), and where D-Bus had it before. */
const MACHINE_ID_FILES = ['/etc/machine-id', '/var/lib/dbus/machine-id'];

/** 32 hexadecimal digits; undefined if this machine has no identity. */
function readMachineId(): string | undefined {
  for (const file of MACHINE_ID_FILES) {
    try {
      const text = readFileSync(file, 'latin1').trim();
      if (/^[0-9a-f]{32}$/.test(text)) return text;
    } catch {
      // The next file may be there.
    }
  }
  return undefined;
}

/** A new identity for a bus or a machine (D-Bus specification, "UUIDs"). */
function newUuid(): string {
  return randomBytes(16).toString('hex');
}
