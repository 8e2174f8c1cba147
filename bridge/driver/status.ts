import type { Connection } from '#bridge/registry/connection.js';
import type { FieldsIn } from '#bridge/registry/control-message.js';
import { mergeDenials } from '#bridge/registry/denials.js';
import type { Driver } from './driver.js';
import { explain } from './explanation.js';
import { arg, LATER, type Call, type DriverInterface } from './method.js';
import { encodeDenials, encodeStatus } from './status-json.js';

/** Asks every host first: each knows its own connections only. */
function getStatus({ driver, reply }: Call): typeof LATER {
  driver.mirrors.collectReports(() => {
    const authority = driver.settings.status();
    const hosts = driver.mirrors.count > 0 ? driver.mirrors.statuses : [authority];
    const natives = [...driver.registry.connections.values()]
      .filter(({ isNative }) => isNative)
      .map(({ uniqueName, process, credentials: { pid } }) => ({ name: uniqueName, process, pid }));
    reply([encodeStatus({ authority, hosts, natives })]);
  });
  return LATER;
}

/** Asks every host: each refuses what its own clients send or receive. */
function getDenials({ driver, reply }: Call): typeof LATER {
  driver.mirrors.collectReports(() => {
    reply([encodeDenials(mergeDenials([driver.settings.denials(), ...driver.mirrors.denials]))]);
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

/** Counts a denial that `connection` reports, with its name as the source. Ignores one about an unknown sender. */
export function noteReportedDenial(
  driver: Driver,
  connection: Connection,
  { sender, why, message, rule }: FieldsIn<'Denied'>,
): void {
  const subject = driver.registry.owner(sender);
  if (subject === undefined) return;
  driver.settings.counted(subject, {
    why: `${printable(why)}, reported by ${connection.uniqueName}`,
    message: printable(message),
    ...(rule !== undefined && { rule: printable(rule) }),
  });
}

/** Replaces control and non-ASCII characters: the text comes from another process, and is printed on terminals. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, '?');
}
