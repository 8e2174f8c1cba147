// Loaded into a bus with --import, from build/: a bus with a fault. Whoever names org.bus1.Fault comes upon it.
import { Driver } from '#bridge/driver/driver.js';

const { prototype } = Driver;
const received = Reflect.get(prototype, 'received');
prototype.received = function receivedOrFault(entry) {
  if (Buffer.from(entry.bytes).includes('org.bus1.Fault')) throw new Error('a fault of ours');
  return received.call(this, entry);
};
