// A native service that is started on demand: Watch calls back the object that it is given, in the same call.
import { implement, join } from 'bus1-bridge';

const [name] = process.argv.slice(2);
const description = {
  name: 'org.bus1.Test',
  methods: { Watch: { in: 'o', out: 's' } },
  signals: {},
  properties: {},
};

const bus = await join();
const Watch = async (listener) => {
  await listener.call({ interface: 'org.bus1.Listener', member: 'Changed' });
  return 'called back';
};
bus.serve('/', implement(description, { methods: { Watch } }));
await bus.requestName(name);
void bus.closed.then(() => process.exit(0));
