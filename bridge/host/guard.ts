import type { Handle, ResourceUser } from '#core/index.js';
import type { ParkedMessage } from '#bridge/activation/parked-message.js';
import { Parking } from '#bridge/activation/parking.js';
import { ActivationFailures } from '#bridge/driver/activation-failure.js';
import type { Driver } from '#bridge/driver/driver.js';
import type { Connection } from '#bridge/registry/connection.js';

/**
 * Stands between a native peer and a name to which the policy lets it send some messages and not others. A shim
 * checks what its client sends, but nothing checks what a native peer sends; so instead of a handle to the name it
 * gets a handle to a node of the guard. Where no policy rule depends on the message, native peers talk directly.
 */
export class Guard {
  private readonly driver: Driver;
  private readonly parking: Parking;

  /** @param user is charged, on behalf of the senders, with what is on its way */
  constructor(driver: Driver, user: ResourceUser, onArrival: () => void) {
    this.driver = driver;
    this.parking = new Parking(driver.peer.domain, user, driver, onArrival);
  }

  /** The registry's handle to where messages of `sender` to `name` are checked; undefined: they need not be. */
  handleFor(name: string, sender: Connection, owner: Connection): Handle | undefined {
    if (!sender.isNative) return undefined;
    const { facet, replyFacet } = this.driver.registry.grants.between(sender, owner);
    return facet === null && replyFacet === null ? undefined : this.parking.open(name, sender);
  }

  /** The name leads somewhere else: native peers ask again. */
  forget(name: string): void {
    this.parking.close(name);
  }

  /** Lets pass what has arrived and may pass. */
  run(): void {
    for (const message of this.parking.takeArrivals()) {
      const { waiter } = message;
      try {
        this.pass(message);
      } catch (error) {
        this.driver.settings.blame(waiter.process, waiter, error);
      }
    }
  }

  private pass(message: ParkedMessage): void {
    const owner = this.driver.registry.owner(message.name);
    if (!message.waiter.live) message.drop();
    else if (owner !== undefined) message.deliver(owner);
    else message.fail(ActivationFailures.serviceUnknown(message.name));
  }
}
