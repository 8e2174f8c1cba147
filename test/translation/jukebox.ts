// The service that jukebox.yaml is about: an ordinary D-Bus program, which knows nothing but paths.
import dbus from 'dbus-next';
import type { InterfaceDescription } from '#bridge/client/index.js';
import { connect } from '../support/names.js';

export const NAME = 'org.example.Jukebox';
export const PATH = '/org/example/Jukebox';

export const trackPath = (track: string): string => `${PATH}/tracks/${track}`;

/** What a native peer implements for it. */
export const LISTENER: InterfaceDescription = {
  name: 'org.example.Listener1',
  methods: { Choose: { in: 'o', out: 'o' } },
  properties: {},
  signals: {},
};

class Track extends dbus.interface.Interface {
  readonly #title: string;

  constructor(title: string) {
    super('org.example.Track1');
    this.#title = title;
  }

  get Title(): string {
    return this.#title;
  }

  Rename(title: string): void {
    this.Renamed(title);
  }

  Renamed(title: string): string {
    return title;
  }
}

Track.configureMembers({
  properties: { Title: { signature: 's', access: 'read' } },
  methods: { Rename: { inSignature: 's' } },
  signals: { Renamed: { signature: 's' } },
});

class Settings extends dbus.interface.Interface {
  Reset(): string {
    return 'reset';
  }
}

Settings.configureMembers({ methods: { Reset: { outSignature: 's' } } });

class Playback extends dbus.interface.Interface {
  readonly #stop: () => void;

  constructor(stop: () => void) {
    super('org.example.Playback1');
    this.#stop = stop;
  }

  Stop(): void {
    this.#stop();
  }
}

Playback.configureMembers({ methods: { Stop: {} } });

/** What a client has done, by its unique name. */
export interface Event {
  readonly what: string;
  readonly who: string;
}

class Player extends dbus.interface.Interface {
  readonly bus: dbus.MessageBus;
  readonly #done: (what: string) => void;
  Volume = 7;
  #listener: string | undefined;
  #playbacks = 0;

  constructor(bus: dbus.MessageBus, done: (what: string) => void) {
    super('org.example.Jukebox1');
    this.bus = bus;
    this.#done = done;
  }

  get Current(): string {
    return trackPath('one');
  }

  Find(): string[] {
    return [trackPath('one'), trackPath('two')];
  }

  Play(track: string): string {
    this.#playbacks++;
    const id = this.#playbacks;
    const path = `${PATH}/playbacks/${id}`;
    const playback = new Playback(() => {
      this.bus.unexport(path, playback);
      this.#done(`stop ${id}`);
    });
    this.bus.export(path, playback);
    this.#done(`play ${track}`);
    return path;
  }

  Watch(listener: string): void {
    this.#listener = listener;
    this.#done(`watch ${listener}`);
  }

  Remote(): string {
    return PATH;
  }

  Toggle(): string {
    return 'toggled';
  }

  DumpState(): string {
    return 'secret';
  }

  TrackAdded(path: string): string {
    return path;
  }

  TrackRemoved(path: string): string {
    return path;
  }

  /** Tells the client that has it, and nobody else, that a playback has ended. */
  finish(client: string, id: number): void {
    const from = { path: `${PATH}/playbacks/${id}`, interface: 'org.example.Playback1' };
    const type = dbus.MessageType.SIGNAL;
    this.bus.send(new dbus.Message({ type, destination: client, ...from, member: 'Finished' }));
  }

  /** Asks the listener of a client which of its own tracks it wants instead. */
  async choose(client: string, track: string): Promise<dbus.Message> {
    const reply = await this.bus.call(
      new dbus.Message({
        destination: client,
        path: this.#listener!,
        interface: 'org.example.Listener1',
        member: 'Choose',
        signature: 'o',
        body: [track],
      }),
    );
    return reply!;
  }
}

Player.configureMembers({
  properties: {
    Current: { signature: 'o', access: 'read' },
    Volume: { signature: 'u', access: 'read' },
  },
  methods: {
    Find: { outSignature: 'ao' },
    Play: { inSignature: 'o', outSignature: 'o' },
    Watch: { inSignature: 'o' },
    Remote: { outSignature: 'o' },
    Toggle: { outSignature: 's' },
    DumpState: { outSignature: 's' },
  },
  signals: { TrackAdded: { signature: 'o' }, TrackRemoved: { signature: 'o' } },
});

/** The running service. */
export class Jukebox {
  readonly events: string[] = [];
  readonly player: Player;
  /** members and senders of the calls that came in */
  readonly calls: Event[] = [];
  #wake: () => void = () => {};

  private constructor(bus: dbus.MessageBus) {
    this.player = new Player(bus, (event) => {
      this.events.push(event);
      this.#wake();
    });
    bus.on('message', ({ type, member, sender }) => {
      if (type === dbus.MessageType.METHOD_CALL) this.calls.push({ what: member, who: sender });
    });
    bus.export(PATH, this.player);
    bus.export(`${PATH}/settings`, new Settings('org.example.Settings1'));
    for (const track of ['one', 'two']) bus.export(trackPath(track), new Track(`title ${track}`));
  }

  static async start(address: string): Promise<Jukebox> {
    const bus = await connect(address);
    const jukebox = new Jukebox(bus);
    await bus.requestName(NAME, 0);
    return jukebox;
  }

  /** Waits until this has happened. */
  async happened(event: string): Promise<void> {
    while (!this.events.includes(event)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  stop(): void {
    this.player.bus.disconnect();
  }
}
