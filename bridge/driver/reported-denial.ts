import { fieldsOf, textOrNone, type Fields } from '#bridge/wire/fields.js';
import type { Connection } from '#bridge/registry/connection.js';
import type { Driver } from './driver.js';

const TEXT_MAX_LENGTH = 512;
/** Longer reports are not parsed. */
const REPORT_MAX_LENGTH = 8192;

/** Counts a ReportedDenial, with `connection` named as its source. Ignores one about an unknown sender or malformed. */
export function noteReportedDenial(driver: Driver, connection: Connection, text: string): void {
  const { sender, fields } = text.length > REPORT_MAX_LENGTH ? {} : parse(text);
  const subject = sender === undefined ? undefined : driver.registry.owner(sender);
  const why = printable(fields?.['why']);
  const message = printable(fields?.['message']);
  if (!connection.isNative || subject === undefined || why === undefined || message === undefined) {
    return;
  }
  const rule = printable(fields?.['rule']);
  const whose = `${why}, reported by ${connection.uniqueName}`;
  driver.settings.counted(subject, { why: whose, message, ...(rule !== undefined && { rule }) });
}

function parse(text: string): { sender?: string | undefined; fields?: Fields } {
  try {
    const { sender, fields } = fieldsOf(JSON.parse(text));
    return { sender: textOrNone(sender), fields: fieldsOf(fields) };
  } catch {
    return {};
  }
}

/** Replaces control and non-ASCII characters: the text comes from another process, and is printed on terminals. */
function printable(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined;
  return text.slice(0, TEXT_MAX_LENGTH).replace(/[^\x20-\x7e]/gu, '?');
}
