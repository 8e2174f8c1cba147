// A native peer that calls a service in the name of somebody else: `forger.mjs ADDRESS SERVICE NAME`.
import { Calls } from '#bridge/client/calls.js';
import { join } from '#bridge/client/index.js'; // not the package: it has a bundle's own copy of Calls
import { PATH } from './service-description.mjs';

const [address, destination, victim] = process.argv.slice(2);
const bus = await join({ address });
const { prototype } = Calls;
const { compose } = prototype;
prototype.compose = function composeFalsely(...args) {
  this.sender = victim;
  return compose.apply(this, args);
};
const capability = await bus.resolve(destination);
const { body } = await capability.call({ path: PATH, interface: destination, member: 'Sender' });
process.send({ name: bus.uniqueName, sender: body[0] });
