// A native client of native-service.mjs.
import { implement, join } from 'bus1-bridge';
import { NAME, PATH, Thermostat, Watcher } from './thermostat.mjs';

const print = (text) => process.stdout.write(`${text}\n`);

const bus = await join();
const thermostat = bus.proxy(Thermostat, NAME, PATH);
print(`the target is ${await thermostat.properties.Target.get()} °C`);

// An object of this process: whoever has the capability can call it, and nobody else.
const changed = new Promise((resolve) => {
  const watcher = bus.export(implement(Watcher, { methods: { Changed: resolve } }));
  void thermostat.methods.Watch(watcher);
});
await thermostat.methods.Raise(1.5);
print(`the watcher was told: ${await changed} °C`);

await thermostat.methods.Raise(100).catch((error) => print(`${error.name}: ${error.message}`));

// Synchronous, for programs that have nothing else to do meanwhile.
const { body } = bus.callSync({
  destination: NAME,
  path: PATH,
  interface: Thermostat.name,
  member: 'Raise',
  signature: 'd',
  body: [-1.5],
});
print(`back at ${String(body[0])} °C`);
bus.close();
