/** A line of the log for a terminal: time, level unless it is info, message, fields. */
export function humanLine(json: string): string {
  const { level, time, msg, ...fields }: Record<string, unknown> = JSON.parse(json);
  const clock = String(time).slice(11, 19);
  const mark = level === 'info' ? '' : ` ${level}:`;
  const details = Object.entries(fields).map(([name, value]) => ` ${name}=${valueText(value)}`);
  return `${clock}${mark} ${msg}${details.join('')}\n`;
}

function valueText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[^\s"]+$/.test(text) ? text : JSON.stringify(value);
}
