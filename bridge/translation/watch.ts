import type { Message, Node, Trace } from '#core/index.js';
import type { Host } from '#bridge/host/host.js';
import type { HandleHolder, HeldHandle } from '#bridge/peer/parcel.js';
import { Participant } from '#bridge/peer/participant.js';
import type { Envelope } from '#bridge/registry/envelope.js';
import { Connection, NO_CREDENTIALS, NO_FIGURES } from '#bridge/registry/connection.js';
import { validMatchRule, type MatchRule } from '#bridge/registry/match-rule.js';

import { Arrival } from './arrival.js';

type WatchedMessage = Message<Envelope, unknown, HandleHolder>;

/** The match rule for all signals of a service. */
function ruleFor(name: string): MatchRule {
  return validMatchRule(`type='signal',sender='${name}'`);
}

/**
 * A connection of the bus itself that receives the signals of services: they show which objects have ended, and are
 * passed on to subscribers. It joins the bus on first use.
 */
export class Watch extends Participant<unknown, HandleHolder> {
  declare readonly host: Host;
  private readonly heard: (arrival: Arrival) => void;
  private connection: Connection | undefined;

  /** @param heard is called inside the transaction */
  constructor(host: Host, heard: (arrival: Arrival) => void) {
    super(host, host.userOf(host.options.uid));
    this.heard = heard;
  }

  /** Subscribes to the signals of a name's owner; calls `done` once none can be missed any more. */
  add(name: string, done: () => void): void {
    const { registry, settings } = this.host.driver;
    const rule = ruleFor(name);
    const connection = (this.connection ??= this.appear());
    registry.subscribe(rule, connection);
    const isElsewhere = settings.attached?.subscribe(rule, connection, () => done());
    if (isElsewhere !== true) registry.mirrors.whenSettled(done);
  }

  remove(name: string): void {
    if (this.connection === undefined) return;
    const { registry, settings } = this.host.driver;
    const rule = ruleFor(name);
    if (registry.unsubscribe(rule, this.connection)) {
      settings.attached?.unsubscribe(rule, this.connection, () => {});
    }
  }

  protected placeOf(): null {
    return null;
  }

  protected take(_node: Node, message: WatchedMessage, trace: Trace): void {
    this.heard(new Arrival(message, trace, this.peer));
  }

  protected reject(_node: Node, message: WatchedMessage, trace: Trace): void {
    this.heard(new Arrival(message, trace, this.peer, this.host.incoming.fault));
  }

  nodeReleased(handle: HeldHandle): void {
    handle.context?.lost(handle);
  }

  handleReleased(): void {}

  private appear(): Connection {
    const { host, peer } = this;
    const { driver, options } = host;
    const { uid, pid } = options;
    const connection = new Connection({ ...NO_CREDENTIALS, uid, pid }, () => NO_FIGURES);
    connection.takesDescriptors = true;
    host.grants.classify(connection);
    driver.admit(peer, peer.createNode(driver.peer).handle, connection);
    const name = driver.activate(connection);
    driver.nameOwnerChanged(name, '', name);
    return connection;
  }
}
