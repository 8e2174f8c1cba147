import type { Handle, ResourceUser } from '#core/index.js';
import type { Driver, OwnMessageFields } from '#bridge/driver/driver.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import type { EnvironmentChange, ServiceStarter, Waiting } from '#bridge/driver/service-starter.js';
import type { ParticipantHost } from '#bridge/peer/participant.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { Quotas } from '#bridge/registry/second-try.js';
import { identityOf, type LoggedProcess } from '#bridge/registry/identity.js';
import { DRIVER_NAME } from '#bridge/registry/directory.js';
import type { DecodedMessage } from '#bridge/wire/message.js';
import { ErrorText } from '#bridge/wire/standard-errors.js';
import { MessageFlag } from '#bridge/wire/types.js';
import type { BusLimits } from '#policy/index.js';
import {
  ActivationFailures,
  logLevel,
  type ActivationFailure,
} from '#bridge/driver/activation-failure.js';
import type {
  ActivationCommand,
  ActivationFacts,
  ActivationRequest,
} from './activation-messages.js';
import { chooseActivationRoute, type ActivationRoute } from './activation-route.js';
import { Parking, type Parked } from './parking.js';
import {
  PendingActivations,
  type ActivationTarget,
  type FailedActivation,
} from './pending-activation.js';
import { EMPTY_TABLE, ServiceTable } from './service-table.js';
import {
  ACTIVATOR_INTERFACE,
  composeActivationRequest,
  composeSetEnvironment,
  composeUnsetEnvironment,
  parseActivationFailure,
  SYSTEMD_NAME,
  type SystemdMessage,
} from './systemd.js';

/** The thread in which an activator lives. */
export interface ActivatorHost extends ParticipantHost, Quotas {
  readonly limits: BusLimits;
  /** Runs `action` at a time of the monotonic clock; returns how to cancel that. */
  at(timeMs: number, action: () => void): () => void;
  /** Asks the control plane for something. */
  ask(request: ActivationRequest): void;
  log(level: 'info' | 'notice' | 'warn', message: string, fields: Record<string, unknown>): void;
  /** the other bus, which has to know when the set of services that can be started has changed */
  readonly attachment?: { servicesChanged(): void } | null;
}

/** A client that waits until the control plane has looked on disk for the service file of a name. */
interface Look {
  readonly name: string;
  readonly asker: Connection;
  readonly done: () => void;
}

interface Alarm {
  readonly timeMs: number;
  cancel(this: void): void;
}

/**
 * The part of activation that belongs to the data plane: which messages wait for which name, and for how long.
 * Processes are started by the control plane, or by systemd, which is an ordinary client.
 */
export class Activator implements ServiceStarter {
  /** Whether clients may change the environment of services. */
  isEnvironmentOpen = true;
  private readonly host: ActivatorHost;
  private readonly driver: Driver;
  private readonly parking: Parking;
  private readonly pending: PendingActivations<Waiting>;
  private table = new ServiceTable(EMPTY_TABLE);
  /** the list of services has not arrived yet */
  private isNew = true;
  private usesSystemd = false;
  private alarm: Alarm | undefined;
  /** the first client that asked for each name that is being started, for the log */
  private readonly askers = new Map<string, Asker>();
  private looks: Look[] = [];

  /**
   * @param user is charged, on behalf of the senders, for the messages that wait
   * @param onArrival is called when `run` has something to do
   */
  constructor(host: ActivatorHost, driver: Driver, user: ResourceUser, onArrival: () => void) {
    this.host = host;
    this.driver = driver;
    this.parking = new Parking(user, driver, host, onArrival);
    this.pending = new PendingActivations(this.limits);
  }

  /** In alphabetical order. */
  get activatableNames(): string[] {
    return this.table.names;
  }

  /** For the property Features. */
  get features(): string[] {
    return this.usesSystemd
      ? ['ActivatableServicesChanged', 'SystemdActivation']
      : ['ActivatableServicesChanged'];
  }

  isActivatable(name: string): boolean {
    return this.routeTo(name).kind !== 'unknown';
  }

  lookAgain(name: string, asker: Connection, done: () => void): boolean {
    if (this.table.isCurrent(name)) return false;
    const isAsked = this.looks.some((look) => look.name === name);
    this.looks.push({ name, asker, done });
    if (!isAsked) this.host.ask({ type: 'look-up-service', name });
    return true;
  }

  carryOut(command: ActivationCommand): void {
    switch (command.type) {
      case 'services':
        this.adopt(command.facts);
        break;
      case 'service-looked-up':
        this.lookedUp(command.name);
        break;
      case 'service-failed':
        this.conclude(this.pending.failProcess(command.name, command.failure));
        break;
    }
  }

  /** Processes the messages that have been parked since the last call. */
  run(): void {
    for (const parked of this.parking.takeArrivals()) {
      const { waiter, parcel } = parked;
      try {
        this.arrived(parked);
        /* the sender's host could not know that this triggers activation, so monitors see the message here */
        if (waiter.process !== 0) this.driver.showFrom(waiter, parcel.bytes);
      } catch (error) {
        this.driver.settings.blame(waiter.process, waiter, error);
      }
    }
  }

  /**
   * Where messages of `sender` for an unowned name can wait; undefined when nothing can be started under it. A file
   * that was installed a moment ago counts.
   */
  parkingFor(name: string, sender: Connection): Handle | undefined {
    const isPossible = this.isActivatable(name) || !this.table.isCurrent(name);
    return isPossible && !name.startsWith(':') ? this.parking.open(name, sender) : undefined;
  }

  /** Parks `waiting` until `name` appears, and starts the service unless that is under way. */
  request(name: string, waiting: Waiting): void {
    const route = this.routeTo(name);
    const isCurrent = route.kind === 'await-systemd' || this.table.isCurrent(name);
    if (route.kind === 'unknown' && isCurrent) {
      return waiting.fail(ActivationFailures.serviceUnknown(name));
    }
    this.pending.setLimits(this.limits);
    const outcome = this.pending.park(name, waiting, targetOf(route), performance.now());
    if (outcome.kind === 'refused') waiting.fail(outcome.failure);
    if (outcome.kind !== 'started') return;
    this.setAlarm();
    if (isCurrent) this.begin(name, route, waiting.waiter);
    else this.host.ask({ type: 'look-up-service', name });
  }

  /** A name has an owner: once that has been announced, the messages that waited for it are delivered first. */
  nameAppeared(name: string, owner: Connection): void {
    this.driver.mirrors.whenSettled(() => this.deliverWaiting(name, owner));
  }

  private deliverWaiting(name: string, appeared: Connection): void {
    const owner = this.driver.registry.owner(name) ?? appeared;
    const waited = this.pending.nameAppeared(name);
    const asker = this.askers.get(name);
    if (asker !== undefined) {
      this.askers.delete(name);
      this.host.log('info', 'a service was activated', {
        name,
        owner: owner.uniqueName,
        ...asker,
      });
    }
    for (const waiting of waited) waiting.deliver(owner);
    this.parking.close(name);
    if (waited.length > 0) this.setAlarm();
  }

  /** Nobody needs a service that is being started any more: its process ends, unless others wait for the name. */
  abandon(name: string, failure: ActivationFailure): void {
    const activation = this.pending.get(name);
    if (activation === undefined || activation.parked.length > 1) return;
    this.host.ask({ type: 'kill-service', name });
    this.conclude(this.pending.fail(name, failure));
  }

  connectionGone(connection: Connection): void {
    if (this.looks.length > 0) this.looks = this.looks.filter(({ asker }) => asker !== connection);
    if (this.pending.parkedCount === 0) return;
    for (const waiting of this.pending.withdraw(({ waiter }) => waiter === connection)) {
      waiting.drop();
    }
  }

  /** A signal was sent to the driver: with ActivationFailure systemd reports a unit that it could not start. */
  signalReceived(sender: Connection, message: DecodedMessage): void {
    if (message.interface !== ACTIVATOR_INTERFACE || message.member !== 'ActivationFailure') return;
    if (!this.usesSystemd) return;
    if (this.driver.registry.owner(SYSTEMD_NAME) !== sender) {
      return this.ignore(sender, `it does not own ${SYSTEMD_NAME}`);
    }
    const found = parseActivationFailure(message.signature ?? '', message.body);
    if (found === undefined) this.ignore(sender, 'its arguments are not unit, error name and text');
    else this.conclude(this.pending.failUnit(found.unit, found.failure));
  }

  /** Applies to services that are started from now on, by the bridge or by systemd. */
  changeEnvironment(change: EnvironmentChange): void {
    this.host.ask({ type: 'change-environment', change });
    if (!this.usesSystemd) return;
    const message =
      change.kind === 'set'
        ? composeSetEnvironment(change.variables)
        : composeUnsetEnvironment(change.names);
    const owner = this.driver.registry.owner(SYSTEMD_NAME);
    /* as in the reference daemon, the destination is the unique name of the owner if there is one */
    const to = owner?.uniqueName;
    this.sendToSystemd(to === undefined ? message : { ...message, destination: to });
  }

  private get limits(): { maxParked: number; timeoutMs: number } {
    const { maxPendingServiceStarts, serviceStartTimeoutMs } = this.host.limits;
    return { maxParked: maxPendingServiceStarts, timeoutMs: serviceStartTimeoutMs };
  }

  private routeTo(name: string): ActivationRoute {
    return chooseActivationRoute(name, this.table.get(name), this.usesSystemd);
  }

  private adopt({ table, usesSystemd, isEnvironmentOpen }: ActivationFacts): void {
    const before = this.table;
    this.table = new ServiceTable(table);
    this.usesSystemd = usesSystemd;
    this.isEnvironmentOpen = isEnvironmentOpen;
    for (const name of this.parking.names) {
      const isOver = !this.isActivatable(name) && this.pending.get(name) === undefined;
      if (isOver) this.parking.close(name);
    }
    const hasChanged = !before.hasSameServices(this.table);
    if (hasChanged && !this.isNew) this.driver.broadcast('ActivatableServicesChanged', '', []);
    this.isNew = false;
    if (hasChanged) this.host.attachment?.servicesChanged();
  }

  private arrived(parked: Parked): void {
    const { name, waiter } = parked;
    /* the message was on its way when the wait for the name ended */
    const owner = this.driver.registry.owner(name);
    if (!waiter.live) parked.drop();
    else if (owner !== undefined && this.pending.get(name) === undefined) parked.deliver(owner);
    else if ((parked.flags & MessageFlag.NoAutoStart) !== 0) parked.fail(noSuchName(name));
    else if (this.parking.admits(parked)) this.request(name, parked);
  }

  private begin(name: string, route: ActivationRoute, requester: Connection | undefined): void {
    const asker = askerOf(requester);
    this.askers.set(name, asker);
    this.host.log('info', 'activating a service', { name, via: route.kind, ...asker });
    if (route.kind === 'spawn') this.host.ask({ type: 'start-service', name });
    if (route.kind === 'systemd')
      this.sendToSystemd(composeActivationRequest(route.unit), route.unit);
  }

  private lookedUp(name: string): void {
    const taken = this.looks.filter((look) => look.name === name);
    this.looks = this.looks.filter((look) => look.name !== name);
    for (const { done } of taken) done();
    const activation = this.pending.get(name);
    if (activation === undefined) return;
    const route = this.routeTo(name);
    if (route.kind === 'unknown') {
      this.conclude(this.pending.fail(name, ActivationFailures.serviceUnknown(name)));
      return;
    }
    this.pending.retarget(name, targetOf(route));
    this.begin(name, route, activation.parked[0]?.waiter);
  }

  /** If systemd does not connect in time, the activation of `unit` fails. */
  private sendToSystemd(message: SystemdMessage, unit?: string): void {
    const { driver } = this;
    const fields = fieldsOf(message);
    const systemd = driver.registry.owner(SYSTEMD_NAME);
    if (systemd !== undefined) return driver.sendTo(systemd, fields, message.body);
    driver.showEarly(fields, message.body);
    this.request(SYSTEMD_NAME, {
      waiter: undefined,
      deliver: (owner) => driver.sendShown(owner, fields, message.body),
      fail: (failure) => {
        if (unit !== undefined) this.conclude(this.pending.failUnit(unit, failure));
      },
      drop() {},
    });
  }

  private conclude(failed: readonly FailedActivation<Waiting>[]): void {
    for (const { name, failure, parked } of failed) {
      const asker = this.askers.get(name);
      this.askers.delete(name);
      /* as in dbus-daemon, a failure for a name without a .service file is not logged */
      if (asker !== undefined) {
        const why = failure.message;
        this.host.log(logLevel(failure), 'a service could not be activated', {
          name,
          why,
          ...asker,
        });
      }
      for (const waiting of parked) waiting.fail(failure);
      this.parking.close(name);
    }
    this.setAlarm();
  }

  private expire(): void {
    this.alarm = undefined;
    const failed = this.pending.expire(performance.now());
    for (const { name } of failed) this.host.ask({ type: 'kill-service', name });
    this.conclude(failed);
  }

  private setAlarm(): void {
    const timeMs = this.pending.nextDeadlineMs();
    if (timeMs === this.alarm?.timeMs) return;
    this.alarm?.cancel();
    this.alarm = undefined;
    if (timeMs === undefined) return;
    this.alarm = { timeMs, cancel: this.host.at(timeMs, () => this.expire()) };
  }

  private ignore(sender: Connection, why: string): void {
    this.host.log('notice', 'ActivationFailure ignored', { why, ...askerOf(sender) });
  }
}

/** The connection that asked for a service first, for the log. */
type Asker = { readonly by: string } & LoggedProcess;

function askerOf(requester: Connection | undefined): Asker {
  if (requester === undefined) return { by: DRIVER_NAME };
  const { uniqueName: by, credentials } = requester;
  return { by, ...identityOf(credentials.pid, credentials.uid) };
}

function fieldsOf(message: SystemdMessage): OwnMessageFields {
  const { type, path, interface: interfaceName, member, destination, signature } = message;
  const flags = MessageFlag.NoReplyExpected;
  return { type, flags, path, interface: interfaceName, member, destination, signature };
}

function targetOf(route: ActivationRoute): ActivationTarget {
  return {
    exec: route.kind === 'spawn' ? route.service.exec : undefined,
    systemdUnit: route.kind === 'systemd' ? route.unit : undefined,
  };
}

/** The error with which dbus-daemon answers a message with NO_AUTO_START (`bus/dispatch.c`). */
function noSuchName(name: string): ActivationFailure {
  return { errorName: ErrorName.NameHasNoOwner, message: ErrorText.nameHasNoOwner(name) };
}
