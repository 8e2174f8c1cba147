import type { DescriptorSet } from '#core/index.js';
import { headerText } from '#bridge/wire/header-text.js';
import { DRIVER_NAME } from '#bridge/registry/directory.js';
import { ErrorName } from '#bridge/driver/driver-error.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import { decodeMessage } from '#bridge/wire/message.js';
import { bodyOf } from '#bridge/wire/typed-body.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import type { Attachment } from './attachment.js';
import type { BusSocket } from '#bridge/socket/connect.js';
import { namesIn, type BusLink, type LinkEvents } from './bus-link.js';
import { MARK_PREFIX } from './name-patterns.js';

const FROM_BUS = `type='signal',sender='${DRIVER_NAME}',interface='${DRIVER_NAME}'`;
const NAME_CHANGES = `${FROM_BUS},member='NameOwnerChanged'`;
const SERVICE_CHANGES = `${FROM_BUS},member='ActivatableServicesChanged'`;

/** The bridge's own connection to the other bus: follows who owns what there. */
export class Watcher implements LinkEvents {
  readonly link: BusLink;
  /** names of services that the other bus can start */
  activatable: readonly string[] = [];
  private readonly attachment: Attachment;

  constructor(attachment: Attachment, socket: BusSocket) {
    this.attachment = attachment;
    this.link = attachment.newLink(socket, this);
  }

  ready(): void {
    const { attachment, link } = this;
    attachment.uplinks.namedOwn(link);
    const problem = attachment.loopOf(link.guid);
    if (problem !== undefined) return link.fail(problem);
    attachment.greeted(link);
    link.call(
      'RequestName',
      'su',
      [MARK_PREFIX + markOf(attachment.host.options.guid), 0],
      () => {},
    );
    link.call('AddMatch', 's', [NAME_CHANGES], () => {});
    link.call('AddMatch', 's', [SERVICE_CHANGES], () => {});
    this.list();
    this.sync(() => {
      if (attachment.watcher === this) attachment.synchronised();
    });
  }

  /** Asks for the owners of all names: calls back when the bridge has announced them. */
  refresh(done: () => void): void {
    this.list();
    this.sync(done);
  }

  /** Calls back after every earlier event of the other bus has been announced here, or when that bus is gone. */
  sync(done: () => void): void {
    const { attachment, link } = this;
    link.call('GetId', '', [], (reply) => {
      if (reply === undefined) return attachment.defer(done);
      /* the first replies have led to further calls, whose replies come before the next one */
      link.call('GetId', '', [], (again) => {
        if (again === undefined) attachment.defer(done);
        else attachment.changes.whenSettled(done);
      });
    });
  }

  message(header: MessageHeader, _descriptors: DescriptorSet | null): void {
    if (header.type === MessageType.MethodCall) return this.refuse(header);
    if (header.type !== MessageType.Signal || headerText(header, 'interface') !== DRIVER_NAME)
      return;
    const member = headerText(header, 'member');
    if (member === 'NameOwnerChanged') this.nameOwnerChanged(header);
    else if (member === 'ActivatableServicesChanged') this.listActivatable(true);
  }

  closed(reason: string): void {
    this.attachment.uplinks.unnamed(this.link);
    this.attachment.lost(reason);
  }

  private nameOwnerChanged({ bytes, start, end }: MessageHeader): void {
    const change = bodyOf(decodeMessage(bytes.slice(start, end)), 'sss');
    if (change === undefined) return;
    const [name, oldOwner, newOwner] = change;
    if (!name.startsWith(':')) this.attachment.imports.changed(name, newOwner);
    else if (oldOwner !== '') this.attachment.left(name);
  }

  private list(): void {
    this.listActivatable(false);
    this.link.call('ListNames', '', [], (reply) => {
      for (const name of namesIn(reply)) {
        if (this.attachment.imports.patterns.matches(name)) this.askOwner(name);
      }
    });
  }

  private askOwner(name: string): void {
    this.link.call('GetNameOwner', 's', [name], (reply) => {
      if (reply?.type === MessageType.MethodReturn)
        this.attachment.imports.changed(name, String(reply.body[0]));
    });
  }

  private listActivatable(isNews: boolean): void {
    this.link.call('ListActivatableNames', '', [], (reply) => {
      this.activatable = namesIn(reply).filter((name) => name !== DRIVER_NAME);
      if (isNews) this.attachment.activatableChanged();
    });
  }

  private refuse(header: MessageHeader): void {
    if ((header.flags & MessageFlag.NoReplyExpected) !== 0) return;
    const { bytes, start, end } = header;
    const { sender, serial, member } = decodeMessage(bytes.slice(start, end));
    const why = `This connection is a bridge's own, and has no method ${member}`;
    this.link.sendError(sender ?? '', serial, ErrorName.UnknownMethod, why);
  }
}

/** An element of a bus name must not begin with a digit (D-Bus specification, "Bus names"). */
export function markOf(guid: string): string {
  return `b${guid}`;
}
