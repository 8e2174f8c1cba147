// What a desktop has behind xdg-desktop-portal: here it opens no dialogs, and answers when it is told to.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import dbus from 'dbus-next';
import { connect } from '../../support/names.js';

const NAME = 'org.freedesktop.impl.portal.desktop.test';
const PATH = '/org/freedesktop/portal/desktop';
const IMPL = 'org.freedesktop.impl.portal';
const PORTALS = [
  'Access',
  'Account',
  'AppChooser',
  'Background',
  'DynamicLauncher',
  'Email',
  'FileChooser',
  'GlobalShortcuts',
  'Inhibit',
  'Print',
  'RemoteDesktop',
  'ScreenCast',
  'Screenshot',
  'Secret',
  'Wallpaper',
].map((portal) => `${IMPL}.${portal}`);

/** What it answers, where that is not a response and results. */
const ANSWERS: Readonly<Record<string, string>> = {
  CreateMonitor: 'u',
  SetWallpaperURI: 'u',
  Inhibit: '',
  QueryEndResponse: '',
  Close: '',
};
const ALL = new dbus.Variant('u', 7);
const PROPERTIES = { AvailableDeviceTypes: ALL, AvailableSourceTypes: ALL };

type Results = Record<string, dbus.Variant>;

export class PortalBackend {
  readonly #bus: dbus.MessageBus;
  readonly #calls: dbus.Message[] = [];
  /** Whether it answers each call at once. */
  isPrompt = false;
  #wake = (): void => {};

  private constructor(bus: dbus.MessageBus) {
    this.#bus = bus;
    bus.addMethodHandler((call: dbus.Message) => this.#called(call));
  }

  /** @param folder gets the file by which xdg-desktop-portal finds it */
  static async start(address: string, folder: string): Promise<PortalBackend> {
    const lines = ['[portal]', `DBusName=${NAME}`, `Interfaces=${PORTALS.join(';')}`];
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'test.portal'), `${lines.join('\n')}\nUseIn=test\n`);
    const bus = await connect(address);
    const backend = new PortalBackend(bus);
    await bus.requestName(NAME, 0);
    return backend;
  }

  /** The next call of a method, which then waits for its answer; those before it have been answered. */
  async called(member: string): Promise<dbus.Message> {
    for (;;) {
      const call = this.#calls.shift();
      if (call?.member === member) return call;
      if (call !== undefined) this.answer(call);
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  answer(call: dbus.Message, results: Results = {}): void {
    const { member } = call;
    const signature = ANSWERS[member] ?? (member.startsWith('Notify') ? '' : 'ua{sv}');
    const body = { '': [], u: [0], 'ua{sv}': [0, results] }[signature];
    this.#bus.send(dbus.Message.newMethodReturn(call, signature, body));
  }

  emit(signal: string, signature: string, body: unknown[], path = PATH): void {
    const [portal, member] = signal.split('.');
    this.#bus.send(dbus.Message.newSignal(path, `${IMPL}.${portal}`, member, signature, body));
  }

  stop(): void {
    this.#bus.disconnect();
  }

  #called(call: dbus.Message): boolean {
    if (call.interface === 'org.freedesktop.DBus.Properties') {
      this.#bus.send(dbus.Message.newMethodReturn(call, 'a{sv}', [PROPERTIES]));
    } else if (this.isPrompt) {
      this.answer(call);
    } else {
      this.#calls.push(call);
      this.#wake();
    }
    return true;
  }
}
