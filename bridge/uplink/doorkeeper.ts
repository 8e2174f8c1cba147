import { RequestNameFlag, RequestNameReply } from '#bridge/registry/name-queue.js';
import type { Attachment } from './attachment.js';
import { Uplink } from './uplink.js';

/**
 * Owns, on the other bus, the exported names of services that can be started here, so that a call from there arrives
 * and starts the service. The service replaces it as owner; when the service ends, the queue gives it the name back.
 */
export class Doorkeeper {
  private readonly attachment: Attachment;
  private uplink: Uplink | undefined;

  constructor(attachment: Attachment) {
    this.attachment = attachment;
  }

  holds(name: string): boolean {
    return this.uplinkFor(name) !== undefined;
  }

  /** The uplink that holds this name. */
  uplinkFor(name: string): Uplink | undefined {
    return this.uplink?.claims.has(name) === true ? this.uplink : undefined;
  }

  /** Re-evaluates which names to hold on the other bus, after services, exports or connectivity change. */
  review(): void {
    const { host, exports, migrations, isUp } = this.attachment;
    if (!isUp) return;
    const wanted = host.activator.activatableNames.filter(
      (name) => exports.patterns.matches(name) && !migrations.isMoving(name),
    );
    const { uplink } = this;
    const held = uplink === undefined ? [] : [...uplink.claims.keys()];
    for (const name of held) if (!wanted.includes(name)) this.release(name);
    for (const name of wanted) if (!held.includes(name)) this.claim(name);
  }

  close(): void {
    this.uplink?.close();
    this.uplink = undefined;
  }

  private claim(name: string): void {
    this.uplink ??= new Uplink(this.attachment, undefined);
    const { uplink } = this;
    uplink.claims.set(name, RequestNameFlag.AllowReplacement);
    uplink.whenReady((link) => {
      link?.call('RequestName', 'su', [name, RequestNameFlag.AllowReplacement], (reply) => {
        if (reply?.body[0] !== RequestNameReply.InQueue) return;
        this.attachment.exports.foreignOwner(link, name, (owner) => {
          if (owner !== undefined) this.yieldTo(owner, name);
        });
      });
    });
  }

  private yieldTo(owner: string, name: string): void {
    this.attachment.log(
      'warn',
      'a service cannot be started from the other bus: another client there owns its name',
      { name, owner },
    );
    this.release(name);
  }

  private release(name: string): void {
    if (this.uplink?.claims.delete(name) !== true) return;
    this.uplink.link?.call('ReleaseName', 's', [name], () => {});
  }
}
