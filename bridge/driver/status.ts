import type { HostStatus } from '#bridge/registry/host-report.js';
import { mergeDenials } from '#bridge/registry/denials.js';
import { explain } from './explanation.js';
import { arg, LATER, type Call, type DriverInterface } from './method.js';

/** The processes that carry the messages of a bus. */
export interface BusStatus {
  readonly authority: HostStatus;
  /** only the authority's own process, when it carries the connections itself */
  readonly hosts: readonly HostStatus[];
  readonly natives: readonly {
    readonly name: string;
    readonly process: number;
    readonly pid: number | undefined;
  }[];
}

/** Asks every host first: each knows its own connections only. */
function getStatus({ driver, reply }: Call): typeof LATER {
  driver.mirrors.collectReports(() => {
    const authority = driver.settings.status();
    const hosts = driver.mirrors.count > 0 ? driver.mirrors.statuses : [authority];
    const natives = [...driver.registry.connections.values()]
      .filter(({ isNative }) => isNative)
      .map(({ uniqueName, process, credentials: { pid } }) => ({ name: uniqueName, process, pid }));
    reply([JSON.stringify({ authority, hosts, natives } satisfies BusStatus)]);
  });
  return LATER;
}

/** Asks every host: each refuses what its own clients send or receive. */
function getDenials({ driver, reply }: Call): typeof LATER {
  driver.mirrors.collectReports(() => {
    reply([JSON.stringify(mergeDenials([driver.settings.denials(), ...driver.mirrors.denials]))]);
  });
  return LATER;
}

/**
 * Our own interface: the processes that carry the messages of this bus (`bus1-bridge status`), and what its policy has
 * refused (`bus1-bridge denials`) and why (`bus1-bridge explain`).
 */
export const status: DriverInterface = {
  name: 'org.bus1.Status',
  canonicalPath: true,
  methods: [
    { name: 'GetStatus', in: [], out: [arg('json', 's')], run: getStatus },
    /* privileged, because it shows which programs others run */
    { name: 'GetDenials', in: [], out: [arg('json', 's')], privileged: true, run: getDenials },
    explain,
  ],
};
