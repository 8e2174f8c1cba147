import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { compare, type Line } from './comparison.js';
import { rowTitle, roundTripBytes, subscribersOf } from './figures.js';
import type { PageData, PageLine, PageMemory, PageTable } from './page/data.js';
import {
  machineFacts,
  memoryCells,
  remarks,
  tableCells,
  titleOf,
  type Cells,
  type Run,
} from './report.js';
import type { TableResult } from './result.js';
import { TABLES, type TableId } from './tables.js';

/** The report as one file: tables as text, plots by the script that was bundled at build time. */
export function reportHtml(run: Run): string {
  const script = readFileSync(join(import.meta.dirname, '../bench/page.js'), 'utf8');
  const sections = [...run.result].map(([id, table]) => section(id, table));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>D-Bus buses, side by side</title>
<style>${STYLE}</style>
</head>
<body>
<h1>D-Bus buses, side by side</h1>
${remarks(run)
  .map((line) => `<p class="remark">${escaped(line)}</p>`)
  .join('\n')}
<dl>${machineFacts(run).map(fact).join('')}</dl>
<h2>How to repeat it</h2>
<pre>${escaped(repeatCommand(run))}</pre>
<p>The load generator connects over a socket, sends ready-made messages and blocks for the answers. All buses
are started first; each round measures every row on each of them in turn, so that other load on the machine affects
them alike. A value is the median over the rounds; intervals are a percentile bootstrap over the rounds, with a
confidence of 95 %. Where the interval of a ratio holds 1, there is no difference.</p>
${sections.join('\n')}
<script type="application/json" id="data">${JSON.stringify(pageData(run)).replaceAll('<', '\\u003c')}</script>
<script>${script.replaceAll('</script', '<\\/script')}</script>
</body>
</html>
`;
}

function section(id: TableId, table: TableResult): string {
  const memory = memoryCells(table);
  return `<section>
<h2>${escaped(TABLES[id].title)}</h2>
<div id="plots-${id}"></div>
${htmlTable(tableCells(id, table), 2)}
${memory.length > 1 ? htmlTable(memory, 1) : ''}
</section>`;
}

function htmlTable([head, ...lines]: Cells, leftColumns: number): string {
  const cell = (tag: 'th' | 'td', text: string, column: number): string =>
    `<${tag}${column < leftColumns ? '' : ' class="figure"'}>${escaped(text)}</${tag}>`;
  const row = (tag: 'th' | 'td', cells: readonly string[]): string =>
    `<tr>${cells.map((text, column) => cell(tag, text, column)).join('')}</tr>`;
  return `<div class="table"><table>
<thead>${row('th', head)}</thead>
<tbody>
${lines.map((cells) => row('td', cells)).join('\n')}
</tbody>
</table></div>`;
}

function fact([name, value]: readonly [string, string]): string {
  return `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`;
}

function repeatCommand({ options, result }: Run): string {
  const tables = [...result.keys()].join(',');
  const { rounds, durationMs } = options;
  return `bus1-bridge bench --tables ${tables} --rounds ${rounds} --duration-ms ${durationMs} --html report.html`;
}

function pageData({ result }: Run): PageData {
  return { tables: [...result].map(([id, table]) => pageTable(id, table)) };
}

function pageTable(id: TableId, table: TableResult): PageTable {
  const { reference } = TABLES[id];
  return {
    id,
    reference: titleOf(reference),
    lines: compare(table, reference).map(pageLine),
    memory: [...table].flatMap(([contender, { restBytes, endBytes }]): PageMemory[] => {
      const bus = titleOf(contender);
      if (restBytes === undefined || endBytes === undefined) return [];
      return [
        { title: 'at rest', bus, mib: restBytes / 2 ** 20 },
        { title: 'after the run', bus, mib: endBytes / 2 ** 20 },
      ];
    }),
  };
}

function pageLine({ row, contender, unit, estimate, ...rest }: Line): PageLine {
  return {
    ...rest,
    title: rowTitle(row),
    bus: titleOf(contender),
    unit,
    value: estimate.value,
    payload: roundTripBytes(row),
    subscribers: subscribersOf(row),
  };
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d0d7de, #3d444d); --soft: light-dark(#f6f8fa, #151b23); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1240px; margin: 2rem auto; padding: 0 1rem;
  color: light-dark(#1f2328, #e6edf3); background: light-dark(#fff, #0d1117); }
h1 { font-size: 1.8rem; } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); padding-bottom: .3rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--soft); padding: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }
figure { margin: 0; overflow-x: auto; } figure figure svg { max-width: none; }
.table { overflow-x: auto; margin-top: 1.5rem; }
table { border-collapse: collapse; font-size: .78rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
.figure { text-align: right; }
.remark { border-left: 4px solid #d29922; padding: .3rem .8rem; background: var(--soft); }
`;
