import type { Client } from './mappings-plan-monitor.js';
import type { Plan, Step } from './mappings-plan-report.js';

/** A plan for people. */
export function planText({ bus, seconds, calls, dealings, steps }: Plan): string {
  const lines = [`${seconds} s on the bus at ${bus}: ${count(calls, 'call')}`, ''];
  lines.push('Who talks to what:');
  if (dealings.length === 0) lines.push('  nobody has talked to anybody: watch for longer?');
  let last = '';
  for (const { from, to, calls: own, listens } of dealings) {
    if (from.uniqueName !== last) lines.push(`  ${clientText(from)}`);
    last = from.uniqueName;
    const what = [own > 0 && count(own, 'call'), listens && 'listens'].filter(Boolean);
    lines.push(`    -> ${to}: ${what.join(', ')}`);
  }
  lines.push('', 'An order of moving, leaves first:');
  steps.forEach((step, index) => lines.push(...stepLines(step, index + 1)));
  if (steps.length === 0) lines.push('  nobody owns a name');
  return `${lines.join('\n')}\n`;
}

function stepLines(step: Step, number: number): string[] {
  const { names, owners, mappings } = step;
  const together = names.length > 1 ? ', together' : '';
  const lines = [`  ${number}. ${names.join(', ')}${together}`];
  const add = (text: string): void => void lines.push(`       ${text}`);
  if (owners.length === 0) add('nobody owns it at present');
  for (const owner of owners) add(`owned by ${clientText(owner)}`);
  for (const { name, file, direction } of mappings) {
    const of = names.length > 1 ? ` of ${name}` : '';
    add(`mapping${of}: ${file} (${direction})`);
  }
  const imports = step.import.join(' ');
  if (imports !== '') add(`needs names that move later: --import ${imports}`);
  const callers = step.export.map(({ uniqueName }) => uniqueName).join(', ');
  if (callers !== '') add(`called by ${callers} until they move: --export ${names.join(' ')}`);
  for (const { uniqueName, why, grant, isAllowed } of step.confined) {
    const how = isAllowed ? 'the mapping allows it' : `to allow it: --allow-confined ${grant}`;
    add(`${uniqueName} is confined: ${why}; ${how}`);
  }
  return lines;
}

function clientText({ uniqueName, pid, executable }: Client): string {
  if (pid === undefined) return `${uniqueName} (an unknown process)`;
  return `${uniqueName} (pid ${pid}, ${executable ?? 'program unknown'})`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
