import type { Observer } from 'rxjs';
import type { MatchRule } from '#bridge/registry/match-rule.js';
import type { DriverClient } from './driver-client.js';
import { NameOwners } from './name-owners.js';
import type { Signal } from './signal.js';
import { wants, wellKnownSender } from './signal-rule.js';

interface Subscription {
  readonly rule: MatchRule;
  readonly observers: Set<Observer<Signal>>;
}

/**
 * The match rules that this process has on the bus, one for all subscribers to the same signals, and those
 * subscribers.
 */
export class Subscriptions {
  readonly owners: NameOwners;
  private readonly driver: DriverClient;
  private readonly byText = new Map<string, Subscription>();

  constructor(driver: DriverClient) {
    this.driver = driver;
    this.owners = new NameOwners(driver);
  }

  /** Returns a function that unsubscribes. An observer gets an error when the bus refuses the rule. */
  add(rule: MatchRule, observer: Observer<Signal>): () => void {
    let subscription = this.byText.get(rule.text);
    if (subscription === undefined) {
      subscription = { rule, observers: new Set() };
      this.byText.set(rule.text, subscription);
      this.begin(subscription);
    }
    subscription.observers.add(observer);
    this.driver.member.hold();
    const joined = subscription;
    return () => this.leave(joined, observer);
  }

  deliver(signal: Signal): void {
    for (const { rule, observers } of Array.from(this.byText.values())) {
      if (!wants(rule, signal, this.owners.ownerOf)) continue;
      for (const observer of Array.from(observers)) observer.next(signal);
    }
  }

  /** There will be no more signals. */
  complete(): void {
    for (const { observers } of Array.from(this.byText.values())) {
      for (const observer of Array.from(observers)) observer.complete();
    }
  }

  private begin(subscription: Subscription): void {
    const { rule } = subscription;
    const name = wellKnownSender(rule);
    const watched = name === undefined ? undefined : this.owners.watch(name);
    const added = this.driver.call('AddMatch', 's', [rule.text], () => {});
    Promise.all([watched, added]).catch((error) => this.fail(subscription, error));
  }

  private fail(subscription: Subscription, error: unknown): void {
    if (this.byText.get(subscription.rule.text) === subscription)
      this.byText.delete(subscription.rule.text);
    for (const observer of Array.from(subscription.observers)) observer.error(error);
  }

  private leave(subscription: Subscription, observer: Observer<Signal>): void {
    if (!subscription.observers.delete(observer)) return;
    this.driver.member.unhold();
    const { rule, observers } = subscription;
    if (observers.size > 0 || this.byText.get(rule.text) !== subscription) return;
    this.byText.delete(rule.text);
    const name = wellKnownSender(rule);
    if (name !== undefined) this.owners.unwatch(name);
    // The bus may be gone: then there is nothing to take back.
    this.driver.call('RemoveMatch', 's', [rule.text], () => {}).catch(() => {});
  }
}
