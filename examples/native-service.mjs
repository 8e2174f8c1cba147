// A native service. `bus1-bridge run node examples/native-service.mjs` starts it together with a bus.
import { DBusError, implement, join } from 'bus1-bridge';
import { NAME, PATH, Thermostat, Watcher } from './thermostat.mjs';

const bus = await join();
const watchers = new Set();
let target = 20;

function change(degrees) {
  if (degrees > 30) throw new DBusError('org.example.Error.TooHot', `${degrees} °C is too hot`);
  target = degrees;
  object.emitter(Thermostat).TargetChanged(target);
  for (const watcher of watchers) watcher.as(Watcher).methods.Changed(target);
  return target;
}

const object = bus.serve(
  PATH,
  implement(Thermostat, {
    methods: {
      Raise: (degrees) => change(target + degrees),
      Watch(watcher) {
        watchers.add(watcher);
        watcher.onRelease(() => watchers.delete(watcher));
      },
    },
    properties: { Target: { get: () => target, set: (degrees) => void change(degrees) } },
  }),
);
await bus.requestName(NAME);
process.stdout.write(`serving ${NAME} as ${bus.uniqueName}\n`);
