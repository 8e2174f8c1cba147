import type { Connection } from '#bridge/registry/connection.js';
import type { Driver } from './driver.js';

const TEXT_MAX_LENGTH = 512;
/** Longer ones are not even read. */
const REPORT_MAX_LENGTH = 8192;

/** Counts a ReportedDenial, as the word of `connection`; not if it is about nobody, or has another form. */
export function noteReportedDenial(driver: Driver, connection: Connection, text: string): void {
  const { sender, fields } = text.length > REPORT_MAX_LENGTH ? {} : parse(text);
  const subject = sender === undefined ? undefined : driver.registry.owner(sender);
  const why = printable(fields?.['why']);
  const message = printable(fields?.['message']);
  if (!connection.isNative || subject === undefined || why === undefined || message === undefined) {
    return;
  }
  const rule = printable(fields?.['rule']);
  const whose = `${why}, says ${connection.uniqueName}`;
  driver.settings.counted(subject, { why: whose, message, ...(rule !== undefined && { rule }) });
}

function parse(text: string): { sender?: string; fields?: Record<string, unknown> } {
  try {
    const { sender, fields } = Object(JSON.parse(text)) as Record<string, unknown>;
    return {
      ...(typeof sender === 'string' && { sender }),
      ...(typeof fields === 'object' && fields !== null && { fields: { ...fields } }),
    };
  } catch {
    return {};
  }
}

/** Another process wrote it, and somebody reads it on a terminal. */
function printable(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined;
  return text.slice(0, TEXT_MAX_LENGTH).replace(/[^\x20-\x7e]/gu, '?');
}
