// A service and a client written for dbus-next. To take them from a socket to handles, one line was changed:
// import dbus from 'dbus-next';
import dbus from 'bus1-bridge/dbus-next';

const NAME = 'org.example.Notes';
const PATH = '/org/example/Notes';
const { Interface } = dbus.interface;

class Notes extends Interface {
  #texts = [];

  get Count() {
    return this.#texts.length;
  }

  Add(text) {
    if (text === '') throw new dbus.DBusError('org.example.Error.Empty', 'a note needs a text');
    this.#texts.push(text);
    this.Added(text);
    Interface.emitPropertiesChanged(this, { Count: this.Count }, []);
    return this.Count;
  }

  async All() {
    return this.#texts;
  }

  Added(text) {
    return text;
  }
}

Notes.configureMembers({
  properties: { Count: { signature: 'u', access: dbus.interface.ACCESS_READ } },
  methods: {
    Add: { inSignature: 's', outSignature: 'u' },
    All: { outSignature: 'as' },
  },
  signals: { Added: { signature: 's' } },
});

const print = (text) => process.stdout.write(`${text}\n`);

async function serve(bus) {
  bus.export(PATH, new Notes(NAME));
  await bus.requestName(NAME, dbus.NameFlag.DO_NOT_QUEUE);
  print(`serving ${NAME}`);
}

async function use(bus) {
  const object = await bus.getProxyObject(NAME, PATH);
  const notes = object.getInterface(NAME);
  const properties = object.getInterface('org.freedesktop.DBus.Properties');
  notes.on('Added', (text) => print(`added: ${text}`));
  properties.on('PropertiesChanged', (_name, { Count }) => print(`count: ${Count.value}`));
  print(`there are ${await notes.Add('buy milk')} notes`);
  await notes.Add('').catch((error) => print(`${error.type}: ${error.text}`));
  print(`all notes: ${(await notes.All()).join(', ')}`);
  bus.disconnect();
}

const bus = dbus.sessionBus();
await (process.argv.includes('serve') ? serve(bus) : use(bus));
