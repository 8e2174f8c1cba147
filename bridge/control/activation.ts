import type { Subscription } from 'rxjs';
import { setOpenFilesLimitOf } from '#core/linux/index.js';
import type { ActivationRequest } from '#bridge/activation/activation-messages.js';
import { formatDiagnostic, type Diagnostic } from '#bridge/activation/diagnostic.js';
import { Launcher, type Launch } from '#bridge/activation/launcher.js';
import { ServiceCatalog, type CatalogChange } from '#bridge/activation/service-catalog.js';
import type { EnvironmentChange } from '#bridge/driver/service-starter.js';
import type { HostCommand } from '#bridge/host/thread-messages.js';
import type { ActivationSettings } from './activation-settings.js';
import type { Logger } from './logger.js';
import { textOf } from './startup-error.js';

export interface ActivationOptions {
  readonly settings: ActivationSettings;
  /** For DBUS_STARTER_ADDRESS: the address that clients connect to. */
  readonly address: string;
  readonly logger: Logger;
  /** Posts a command to the host. */
  readonly post: (command: HostCommand) => void;
}

interface RunningLaunch {
  readonly launch: Launch;
  readonly events: Subscription;
}

/** The files that describe services, and the processes that are started from them. */
export class Activation {
  readonly #options: ActivationOptions;
  readonly #catalog: ServiceCatalog;
  /** The last process for each name, until it ends. */
  readonly #launches = new Map<string, RunningLaunch>();
  #settings: ActivationSettings;
  #launcher: Launcher;

  /** Reads the service directories, sends the host what they provide, and follows their changes. */
  constructor(options: ActivationOptions) {
    const { settings } = options;
    this.#options = options;
    this.#settings = settings;
    this.#launcher = this.#newLauncher();
    this.#catalog = new ServiceCatalog(settings.directories);
    this.#catalog.changes.subscribe((change) => this.#changed(change));
    this.#changed(this.#catalog.load());
    this.#catalog.watch();
  }

  /** The configuration was read again. Variables that clients have set in the activation environment stay. */
  reload(settings: ActivationSettings): void {
    const { environment } = this.#settings;
    this.#settings = { ...settings, environment };
    this.#launcher = this.#newLauncher();
    this.#changed(this.#catalog.reload(settings.directories));
  }

  /** Does what the host asks for. */
  carryOut(request: ActivationRequest): void {
    switch (request.type) {
      case 'look-up-service':
        this.#lookUp(request.name);
        break;
      case 'start-service':
        this.#start(request.name);
        break;
      case 'kill-service':
        this.#forget(request.name)?.launch.kill();
        break;
      case 'change-environment':
        this.#changeEnvironment(request.change);
        break;
    }
  }

  /** Stops watching directories and processes. The services keep running. */
  close(): void {
    this.#catalog.close();
    for (const { events } of this.#launches.values()) events.unsubscribe();
    this.#launches.clear();
  }

  #newLauncher(): Launcher {
    const { identity, openFilesLimit } = this.#settings;
    return new Launcher({
      identity,
      onSpawned: (pid) => {
        try {
          setOpenFilesLimitOf(pid, openFilesLimit);
        } catch (error) {
          // Most likely it has ended already, or it belongs to another user.
          this.#options.logger.debug({ pid }, textOf(error));
        }
      },
    });
  }

  #changed({ diagnostics }: CatalogChange): void {
    for (const diagnostic of diagnostics) this.#report(diagnostic);
    this.#tellServices();
  }

  #report(diagnostic: Diagnostic): void {
    const level = diagnostic.severity === 'warning' ? 'warn' : diagnostic.severity;
    this.#options.logger[level](formatDiagnostic(diagnostic));
  }

  #tellServices(): void {
    const { usesSystemd, identity } = this.#settings;
    const isEnvironmentOpen = identity.kind === 'same-user';
    const facts = { table: this.#catalog.table.data, usesSystemd, isEnvironmentOpen };
    this.#options.post({ type: 'services', facts });
  }

  /** Sends the table even if only its stamps have changed. */
  #lookUp(name: string): void {
    this.#catalog.find(name);
    this.#tellServices();
    this.#options.post({ type: 'service-looked-up', name });
  }

  #start(name: string): void {
    const service = this.#catalog.find(name);
    if (service === undefined) return this.#lookUp(name);
    this.#forget(name);
    const { environment, busType } = this.#settings;
    const variables = environment.forService(this.#options.address, busType);
    const launch = this.#launcher.start(service, variables);
    const events = launch.events.subscribe((event) => {
      if (event.kind === 'spawned') return;
      this.#forget(name);
      if (event.kind === 'exited') return;
      this.#options.post({ type: 'service-failed', name, failure: event.failure });
    });
    if (!events.closed) this.#launches.set(name, { launch, events });
  }

  /** Ignores a process from now on: the end of an earlier one must not affect a later one. */
  #forget(name: string): RunningLaunch | undefined {
    const running = this.#launches.get(name);
    this.#launches.delete(name);
    running?.events.unsubscribe();
    return running;
  }

  #changeEnvironment(change: EnvironmentChange): void {
    const { environment } = this.#settings;
    if (change.kind === 'unset') {
      for (const name of change.names) environment.unset(name);
      return;
    }
    const refused = environment.update(change.variables);
    if (refused.length === 0) return;
    this.#options.logger.warn({ refused }, 'invalid environment variables ignored');
  }
}
