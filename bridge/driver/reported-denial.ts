import type { Connection } from '#bridge/registry/connection.js';
import type { FieldsIn } from '#bridge/registry/control-message.js';
import type { Driver } from './driver.js';

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
