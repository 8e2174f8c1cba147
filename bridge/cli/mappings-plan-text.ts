import type { Client } from './mappings-plan-monitor.js';
import type { Plan, Step } from './mappings-plan-report.js';

/** Formats a plan for the user. */
export function planText({ bus, seconds, calls, dealings, steps }: Plan): string {
  const lines = [`${seconds} s on the bus at ${bus}: ${count(calls, 'call')}`, ''];
  lines.push('Who talks to what:');
  if (dealings.length === 0) lines.push('  no calls were seen: try more --seconds');
  for (const [program, { clients, destinations }] of byProgram(dealings)) {
    lines.push(`  ${programText(program, [...clients.values()], clientText)}`);
    for (const [to, { calls: own, listens }] of destinations) {
      const what = [own > 0 && count(own, 'call'), listens && 'listens'].filter(Boolean);
      lines.push(`    -> ${to}: ${what.join(', ')}`);
    }
  }
  lines.push('', 'Order in which the names can move, leaves first:');
  steps.forEach((step, index) => lines.push(...stepLines(step, index + 1)));
  if (steps.length === 0) lines.push('  no name has an owner');
  return `${lines.join('\n')}\n`;
}

interface Program {
  /** by unique name */
  readonly clients: Map<string, Client>;
  readonly destinations: Map<string, { calls: number; listens: boolean }>;
}

const GONE = 'programs that have disconnected';
const UNKNOWN = 'unknown processes';

function programOf({ unit, executable, isGone }: Client): string {
  return isGone === true ? GONE : (unit ?? executable ?? UNKNOWN);
}

/** Merges the traffic of many short-lived connections of one program. */
function byProgram(dealings: Plan['dealings']): Map<string, Program> {
  const programs = new Map<string, Program>();
  for (const { from, to, calls, listens } of dealings) {
    const name = programOf(from);
    let program = programs.get(name);
    if (program === undefined)
      programs.set(name, (program = { clients: new Map(), destinations: new Map() }));
    program.clients.set(from.uniqueName, from);
    const before = program.destinations.get(to) ?? { calls: 0, listens: false };
    const all = { calls: before.calls + calls, listens: before.listens || listens };
    program.destinations.set(to, all);
  }
  return programs;
}

/** One connection as `textOf` has it, several by their program. */
function programText(
  program: string,
  clients: readonly Client[],
  textOf: (client: Client) => string,
): string {
  const [client] = clients;
  if (client !== undefined && clients.length === 1) return textOf(client);
  return `${program} (${count(clients.length, 'connection')})`;
}

function stepLines(step: Step, number: number): string[] {
  const { names, owners, mappings } = step;
  const together = names.length > 1 ? ', together' : '';
  const lines = [`  ${number}. ${names.join(', ')}${together}`];
  const add = (text: string): void => void lines.push(`       ${text}`);
  if (owners.length === 0) add('no owner at present');
  for (const owner of owners) add(`owned by ${clientText(owner)}`);
  for (const { name, file, direction } of mappings) {
    const of = names.length > 1 ? ` of ${name}` : '';
    add(`mapping${of}: ${file} (${direction})`);
  }
  const imports = step.import.join(' ');
  if (imports !== '') add(`needs names that move later: --import ${imports}`);
  const callers = callersText(step.export);
  if (callers !== '') add(`called by ${callers} until they move: --export ${names.join(' ')}`);
  for (const [grant, { why, names: who, isAllowed }] of byGrant(step.confined)) {
    const how = isAllowed ? 'the mapping allows it' : `to allow it: --allow-confined ${grant}`;
    const verb = who.length === 1 ? 'is' : 'are';
    add(`${who.join(', ')} ${verb} confined: ${why}; ${how}`);
  }
  for (const warning of step.warnings) add(`note: ${warning}`);
  if (names.length > 1) add(`bus1-bridge migrate ${names.join(' ')}`);
  return lines;
}

/** Names each program once. */
function callersText(clients: readonly Client[]): string {
  const programs = new Map<string, Client[]>();
  for (const client of clients) {
    const program = programOf(client);
    programs.set(program, [...(programs.get(program) ?? []), client]);
  }
  return [...programs]
    .map(([program, all]) => programText(program, all, ({ uniqueName }) => uniqueName))
    .join(', ');
}

/** The notes about confined clients, one for all those that the same option would allow. */
function byGrant(confined: Step['confined']) {
  const grants = new Map<string, { why: string; names: string[]; isAllowed: boolean }>();
  for (const { grant, why, uniqueName, isAllowed } of confined) {
    const known = grants.get(grant);
    if (known === undefined) grants.set(grant, { why, names: [uniqueName], isAllowed });
    else known.names.push(uniqueName);
  }
  return grants;
}

function clientText({ uniqueName, pid, executable, isGone }: Client): string {
  if (isGone === true) return `${uniqueName} (gone)`;
  if (pid === undefined) return `${uniqueName} (an unknown process)`;
  return `${uniqueName} (pid ${pid}, ${executable ?? 'program unknown'})`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
