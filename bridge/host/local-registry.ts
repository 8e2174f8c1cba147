import { Activator } from '#bridge/activation/activator.js';
import { Driver } from '#bridge/driver/driver.js';
import { INTERFACES } from '#bridge/driver/interfaces.js';
import { status } from '#bridge/driver/status.js';
import { Connection, type Credentials } from '#bridge/registry/connection.js';
import { Control, controlMessage } from '#bridge/registry/control-message.js';
import type { Registry } from '#bridge/registry/registry.js';
import { NewNode, SendStatus } from '#core/index.js';
import type { MessageHeader } from '#bridge/wire/header.js';

import { busSettings } from './bus-settings.js';
import { figuresOf } from './figures.js';
import type { Host } from './host.js';
import type { HostOptions } from './host-options.js';
import type { ObjectTranslator, OtherBus } from './host-parts.js';
import { INBOX, Lookup } from './node-contexts.js';
import type { RegistryAccess } from './registry-access.js';
import type { Shim } from './shim.js';

/** Registry and driver in the thread of the shims: they usually answer a request before the shim goes on. */
export class LocalRegistry implements RegistryAccess {
  readonly driver: Driver;
  readonly activator: Activator;
  readonly directory: Registry;
  /** the other bus that this one is attached to */
  readonly attachment: OtherBus | null;
  private readonly translator: ObjectTranslator | null;
  private readonly host: Host;
  /** clients whose Hello, valid or not, has not been answered yet */
  private readonly greeted = new Set<Shim>();

  /** @param runControls makes shims carry out the control messages that they have received */
  constructor(host: Host, runControls: () => void) {
    this.host = host;
    const user = host.userOf(host.options.uid);
    const onArrival = (): void => {
      host.isUnsettled = true;
    };
    const settings = busSettings(host);
    const { domain, grants } = host;
    this.attachment = host.parts.attach?.(host) ?? null;
    const interfaces = [...INTERFACES, status];
    const { sandboxes } = host.entrance;
    if (sandboxes !== null) interfaces.push(sandboxes.driverInterface);
    if (this.attachment !== null) interfaces.push(this.attachment.driverInterface);
    this.driver = new Driver(domain, user, settings, grants, interfaces, onArrival, runControls);
    this.directory = this.driver.registry;
    this.directory.onOwnerChange = ({ name, oldOwner }) => {
      /* an owner in another process may release the name later */
      if (oldOwner !== undefined && oldOwner.process !== 0) host.forgetName(name);
    };
    this.activator = new Activator(host, this.driver, user, onArrival);
    this.translator = host.parts.translate?.(host) ?? null;
    this.directory.translatorFor = (name, sender, owner) =>
      this.translator?.handleFor(name, sender, owner);
  }

  admit(shim: Shim, credentials: Credentials): void {
    const connection = new Connection(credentials, () => figuresOf(shim));
    connection.takesDescriptors = shim.hasUnixFds;
    connection.payer = shim.peer;
    this.host.grants.classify(connection);
    const inbox = shim.peer.createNode(this.driver.peer);
    inbox.node.context = INBOX;
    const { driver, registry } = this.driver.admit(shim.peer, inbox.handle, connection);
    shim.attach(connection, driver, registry);
  }

  resolve(shim: Shim, name: string, header: MessageHeader): Lookup | null {
    const { host } = this;
    const lookup = new Lookup(name);
    const message = controlMessage(host.control, Control.Resolve, { name });
    message.newNode = NewNode.OneShot;
    message.newNodeContext = lookup;
    const status = shim.peer.send(shim.registry, message);
    host.settle();
    if (lookup.isAnswered || status !== SendStatus.Sent) return lookup;
    /* the owner, in another process, has yet to give the registry a new node for the name */
    shim.hold(header, lookup);
    return null;
  }

  /**
   * The driver processes a message before the client's next one is read. Only Hello may have to wait, for the other
   * bus, and then the client's next messages wait, too.
   */
  sentToDriver(shim: Shim): void {
    if (this.attachment === null || shim.connection.isActive) return;
    shim.wait();
    this.greeted.add(shim);
  }

  whenTold(action: () => void): void {
    action();
  }

  joined(): void {}

  setAccepting(): void {}

  left(): void {}

  catchUp(): void {}

  run(): void {
    this.activator.run();
    /* messages about what a leaving connection releases come before NameOwnerChanged for its unique name */
    this.translator?.run();
    this.driver.run();
    this.attachment?.run();
    if (this.greeted.size > 0) this.continueGreeted();
  }

  /** Called when the host ends. */
  close(): void {
    this.attachment?.close();
    this.host.entrance.sandboxes?.close();
  }

  private continueGreeted(): void {
    for (const shim of this.greeted) {
      if (this.attachment?.isGreeting(shim.connection) === true) continue;
      this.greeted.delete(shim);
      this.host.continueWith(shim);
    }
  }

  reload(rules: HostOptions['rules']): void {
    this.host.grants.reload(rules, this.driver.connections);
    this.directory.policyChanged();
    const { limits } = this.host;
    this.directory.mirrors.publish({ kind: 'policy', rules, limits });
  }
}
