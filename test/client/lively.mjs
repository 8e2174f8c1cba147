// A native peer in one of several states: `lively.mjs ADDRESS TRANSPORT STATE SERVICE`.
import { implement, join } from 'bus1-bridge';
import { Listener, PATH } from './service-description.mjs';

const [address, transport, state, destination] = process.argv.slice(2);
const bus = await join({ address, transport });
const listener = implement(Listener, { methods: { Echo: (text) => text } });
const toService = { destination, path: PATH, interface: destination };

const states = {
  joined: () => {},
  called: () => bus.call({ ...toService, member: 'Notes' }),
  waiting: () => void bus.call({ ...toService, member: 'Hang' }),
  serving: () => bus.serve('/', listener),
  owning: () => bus.requestName('org.example.Owned'),
  exporting: () => bus.export(listener),
  subscribed: () => bus.signals({ member: 'Any' }).subscribe(),
  unsubscribed: async () => {
    bus.signals({ member: 'Any' }).subscribe().unsubscribe();
    await bus.settled();
  },
};
globalThis.kept = await states[state]();
process.send({ name: bus.uniqueName });
