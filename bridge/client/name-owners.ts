import { isBody } from '#bridge/wire/typed-body.js';
import type { DriverClient } from './driver-client.js';
import { ownerRule } from './socket-names.js';
import type { Signal } from './signal.js';

interface Watched {
  count: number;
  owner: string | undefined;
}

/** The owners of the well-known names in the senders of rules: signals carry unique names. */
export class NameOwners {
  private readonly driver: DriverClient;
  private readonly watched = new Map<string, Watched>();

  constructor(driver: DriverClient) {
    this.driver = driver;
  }

  readonly ownerOf = (name: string): string | undefined => this.watched.get(name)?.owner;

  /** Once the promise has resolved, `ownerOf(name)` is right. */
  async watch(name: string): Promise<void> {
    const known = this.watched.get(name);
    if (known !== undefined) {
      known.count++;
      return;
    }
    const entry: Watched = { count: 1, owner: undefined };
    this.watched.set(name, entry);
    const added = this.driver.call('AddMatch', 's', [ownerRule(name)], () => {});
    // A name without an owner is no error here.
    const asked = this.driver.call(
      'GetNameOwner',
      's',
      [name],
      ({ body }) => void (entry.owner = String(body[0])),
    );
    await added;
    await asked.catch(() => {});
  }

  unwatch(name: string): void {
    const entry = this.watched.get(name);
    if (entry === undefined || --entry.count > 0) return;
    this.watched.delete(name);
    this.driver.call('RemoveMatch', 's', [ownerRule(name)], () => {}).catch(() => {});
  }

  /** A signal from the bus itself. */
  note({ member, body }: Signal): void {
    if (member !== 'NameOwnerChanged' || !isBody(body, 'sss')) return;
    const [name, , owner] = body;
    const entry = this.watched.get(name);
    if (entry !== undefined) entry.owner = owner === '' ? undefined : owner;
  }
}
