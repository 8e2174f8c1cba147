/** A line of the log, taken apart. */
export interface LogFields {
  readonly level: string;
  /** ISO 8601, UTC */
  readonly time: string;
  readonly message: string;
  /** The other fields as ` name=value`, in order. */
  readonly details: string;
}

export function logFields(json: string): LogFields {
  const { level, time, msg, ...fields }: Record<string, unknown> = JSON.parse(json);
  const details = Object.entries(fields).map(([name, value]) => ` ${name}=${valueText(value)}`);
  return {
    level: String(level),
    time: String(time),
    message: String(msg),
    details: details.join(''),
  };
}

/** A line of the log for a terminal: time of day (UTC), level unless it is info, message, fields. */
export function humanLine(json: string): string {
  const { level, time, message, details } = logFields(json);
  const mark = level === 'info' ? '' : ` ${level}:`;
  return `${time.slice(11, 19)}${mark} ${message}${details}\n`;
}

function valueText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[^\s"]+$/.test(text) ? text : JSON.stringify(value);
}
