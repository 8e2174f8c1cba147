import { DRIVER_NAME, DRIVER_PATH } from '#bridge/client/driver-client.js';
import { MessageType } from '#bridge/wire/types.js';
import { library, LibraryBus, type BusConnection } from './library.js';

/** dbus-next's MessageBus, except that it adds each rule to the bus once, and removes it with its last user. */
export class NativeBus extends LibraryBus {
  private readonly stream: BusConnection['stream'];
  private readonly ruleUsers = new Map<string, number>();

  constructor(connection: BusConnection) {
    super(connection);
    this.stream = connection.stream;
  }

  override _addMatch(rule: string): Promise<unknown> {
    const users = this.ruleUsers.get(rule) ?? 0;
    this.ruleUsers.set(rule, users + 1);
    return users > 0 ? Promise.resolve() : this.ask('AddMatch', rule);
  }

  override _removeMatch(rule: string): Promise<unknown> {
    const users = this.ruleUsers.get(rule) ?? 0;
    if (users > 1) this.ruleUsers.set(rule, users - 1);
    else this.ruleUsers.delete(rule);
    const isLast = users === 1 && this.stream.writable;
    return isLast ? this.ask('RemoveMatch', rule) : Promise.resolve();
  }

  private ask(member: string, rule: string): Promise<unknown> {
    const message = new library.Message({
      type: MessageType.MethodCall,
      serial: null,
      destination: DRIVER_NAME,
      path: DRIVER_PATH,
      interface: DRIVER_NAME,
      member,
      signature: 's',
      body: [rule],
    });
    return this.call(message);
  }
}
