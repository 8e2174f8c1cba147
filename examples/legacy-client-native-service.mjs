// A client of native-service.mjs that knows nothing of BUS1: dbus-next, over the socket of the bus.
import dbus from 'dbus-next';
import { NAME, PATH } from './thermostat.mjs';

const print = (text) => process.stdout.write(`${text}\n`);

const bus = dbus.sessionBus();
const object = await bus.getProxyObject(NAME, PATH);
const thermostat = object.getInterface(NAME);
const changed = new Promise((resolve) => thermostat.once('TargetChanged', resolve));
print(`raised to ${await thermostat.Raise(2)} °C`);
print(`all were told: ${await changed} °C`);
await thermostat.Raise(100).catch((error) => print(`${error.type}: ${error.message}`));
await thermostat.Raise(-2);
bus.disconnect();
