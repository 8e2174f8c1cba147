// Owning names, as libdbus sees it (python/names_libdbus.py).
import { afterAll, beforeAll } from 'vitest';
import {
  type RunningBus,
  describeWith,
  needs,
  needsPythonModule,
  startBus,
} from '../support/bus.js';
import { testPythonChecks } from '../support/python.js';
import { PYTHON } from '../support/software.js';

const SOFTWARE = [
  needs(PYTHON, 'python3'),
  needsPythonModule('dbus', 'python3-dbus'),
  needsPythonModule('gi', 'python3-gi'),
];

describeWith(SOFTWARE, 'names on libdbus', () => {
  let bus: RunningBus;
  beforeAll(async () => {
    bus = await startBus();
  });
  afterAll(() => bus.stop());

  testPythonChecks(
    [
      'a second owner waits in the queue and follows the first',
      'who will not wait is told that the name exists',
      'an owner is replaced only if it allowed that',
      'an owner that allowed replacement and will not wait leaves the queue',
      'releasing tells apart released, not owned, and unknown',
      'a watcher sees each owner once, in order',
      'a connection that closes gives up its names and its place in queues',
      'reserved, unique and malformed names are refused',
    ],
    'names_libdbus.py',
    [],
    () => bus.env,
  );
});
