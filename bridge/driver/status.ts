import { arg, LATER, type Call, type DriverInterface } from './method.js';

/** Asks every host first: each knows its own connections only. */
function getStatus({ driver, reply }: Call): typeof LATER {
  driver.mirrors.collectReports(() => {
    const authority = driver.settings.status();
    const hosts = driver.mirrors.count > 0 ? driver.mirrors.statuses : [authority];
    const natives = [...driver.registry.connections.values()]
      .filter(({ isNative }) => isNative)
      .map(({ uniqueName, process, credentials: { pid } }) => ({ name: uniqueName, process, pid }));
    reply([JSON.stringify({ authority, hosts, natives })]);
  });
  return LATER;
}

/** Ours: who carries the messages of this bus (`bus1-bridge status`). */
export const status: DriverInterface = {
  name: 'org.bus1.Status',
  canonicalPath: true,
  methods: [{ name: 'GetStatus', in: [], out: [arg('json', 's')], run: getStatus }],
};
