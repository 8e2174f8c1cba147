// The plots of the HTML report. This is bundled with its library when the project is built (npm run build) and runs in
// the reader's browser, without a network.
import * as Plot from '@observablehq/plot';

import type { PageData, PageLine, PageTable } from './data.js';

/** in CSS pixels; where there is less room, plots are as wide as that, and below the second width they scroll */
const WIDTH_MAX = 1060;
const WIDTH_MIN = 520;
/** room for the title of a row */
const TITLE_WIDTH = 220;
const AXIS_WIDTH = 60;
/** room for the numbers of the lower axis, and for its label below them */
const LOWER_AXIS_HEIGHT = 52;
const LABEL_OFFSET = 44;
const ROW_HEIGHT = 34;

const data: PageData = JSON.parse(document.getElementById('data')!.textContent);

/** Okabe and Ito's colours, which people who see colours differently can tell apart, on light and dark. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#999999'];
const BUS_NAMES = unique(data.tables.flatMap(({ lines }) => lines.map((line) => line.bus)));

let width = 0;
draw();
addEventListener('resize', draw);

/** Letters keep their size: a plot is drawn for the width there is, and not scaled to it. */
function draw(): void {
  const room =
    document.body.clientWidth - 2 * parseFloat(getComputedStyle(document.body).paddingLeft);
  const next = Math.max(WIDTH_MIN, Math.min(room, WIDTH_MAX));
  if (next === width) return;
  width = next;
  for (const table of data.tables)
    document.getElementById(`plots-${table.id}`)!.replaceChildren(...figuresOf(table));
}

/** A plot is left out where a table has nothing for it. */
function figuresOf(table: PageTable): Element[] {
  return [
    advantages(table),
    latencies(table),
    overNumbers(table, 'payload', 'Round trip over payload', 'payload', 'us, median'),
    overNumbers(table, 'subscribers', 'Deliveries over subscribers', 'subscribers', 'deliveries/s'),
    processorTime(table),
    memory(table),
  ].filter((figure) => figure !== undefined);
}

/** How many times as good as the reference each contender is in each row, with the interval. */
function advantages({ lines, reference }: PageTable): Element | undefined {
  const rows = lines.filter((line) => line.advantage !== undefined);
  if (rows.length === 0) return undefined;
  return figure(`How many times as good as ${reference}`, rows, {
    height: heightFor(rows),
    marginLeft: TITLE_WIDTH,
    fy: { label: null, domain: unique(rows.map((line) => line.title)) },
    x: {
      type: 'log',
      label: `times as good as ${reference}`,
      grid: true,
      tickFormat: '~r',
      ticks: width / 160,
    },
    y: { axis: null, domain: unique(rows.map((line) => line.bus)) },
    marks: [
      Plot.ruleX([1], { strokeDasharray: '4' }),
      Plot.ruleY(rows, {
        fy: 'title',
        y: 'bus',
        x1: (line: PageLine) => line.advantage!.low,
        x2: (line: PageLine) => line.advantage!.high,
        stroke: 'bus',
        strokeWidth: 2,
      }),
      Plot.dot(rows, {
        fy: 'title',
        y: 'bus',
        x: (line: PageLine) => line.advantage!.value,
        fill: 'bus',
        r: 4,
      }),
    ],
  });
}

interface Sample {
  readonly bus: string;
  readonly title: string;
  readonly at: string;
  readonly us: number;
}

/** The distribution of the latencies: median, 99 %, 99.9 %, worst. */
function latencies({ lines }: PageTable): Element | undefined {
  const samples = lines.flatMap(({ bus, title, unit, value, p99, p999, worst }): Sample[] =>
    unit !== 'us' || p99 === undefined || p999 === undefined || worst === undefined
      ? []
      : [
          { bus, title, at: 'median', us: value },
          { bus, title, at: '99 %', us: p99 },
          { bus, title, at: '99.9 %', us: p999 },
          { bus, title, at: 'worst', us: worst },
        ],
  );
  if (samples.length === 0) return undefined;
  return figure('Distribution of latency', samples, {
    height: 130 * unique(samples.map((sample) => sample.title)).length,
    marginRight: TITLE_WIDTH,
    fy: { label: null, domain: unique(samples.map((sample) => sample.title)) },
    x: { type: 'point', label: null, domain: ['median', '99 %', '99.9 %', 'worst'] },
    y: { type: 'log', label: 'us', grid: true, ticks: 3 },
    marks: [
      Plot.frame({ strokeOpacity: 0.2 }),
      Plot.line(samples, { fy: 'title', x: 'at', y: 'us', stroke: 'bus', strokeWidth: 2 }),
      Plot.dot(samples, { fy: 'title', x: 'at', y: 'us', fill: 'bus', r: 3 }),
    ],
  });
}

/** A figure that was measured for several sizes, on logarithmic axes. */
function overNumbers(
  { lines }: PageTable,
  size: 'payload' | 'subscribers',
  title: string,
  xLabel: string,
  yLabel: string,
): Element | undefined {
  const sized = lines.filter((line) => line[size] !== undefined);
  if (unique(sized.map((line) => line[size])).length < 2) return undefined;
  const factor = (line: PageLine): number => (size === 'subscribers' ? line.subscribers! : 1);
  return figure(title, sized, {
    height: 300,
    x: {
      type: 'log',
      base: 2,
      label: xLabel,
      ticks: unique(sized.map((line) => line[size]!)),
      tickFormat: (value: number) => (size === 'payload' ? bytesText(value) : String(value)),
    },
    y: { type: 'log', label: yLabel, grid: true, tickFormat: '~s', ticks: 5 },
    marks: [
      Plot.line(sized, {
        x: size,
        y: (line: PageLine) => line.value * factor(line),
        stroke: 'bus',
        strokeWidth: 2,
      }),
      Plot.dot(sized, {
        x: size,
        y: (line: PageLine) => line.value * factor(line),
        fill: 'bus',
        r: 4,
      }),
    ],
  });
}

function memory({ memory: rows }: PageTable): Element | undefined {
  if (rows.length === 0) return undefined;
  return figure('Resident memory of the bus', rows, {
    height: heightFor(rows),
    marginLeft: TITLE_WIDTH,
    fy: { label: null, domain: unique(rows.map((row) => row.title)) },
    x: { label: 'MiB', grid: true, insetRight: 20 },
    y: { axis: null, domain: unique(rows.map((row) => row.bus)) },
    marks: [Plot.barX(rows, { fy: 'title', y: 'bus', x: 'mib', fill: 'bus' }), Plot.ruleX([0])],
  });
}

/** Processor time is so different from row to row that only a logarithmic axis shows all of it. */
function processorTime({ lines: all }: PageTable): Element | undefined {
  const lines = all.filter((line) => line.cpuUs !== undefined);
  if (lines.length === 0) return undefined;
  return figure('Processor time of the bus for each message', lines, {
    height: heightFor(lines),
    marginLeft: TITLE_WIDTH,
    fy: { label: null, domain: unique(lines.map((line) => line.title)) },
    x: {
      type: 'log',
      label: 'us a message',
      grid: true,
      insetRight: 20,
      tickFormat: '~f',
      ticks: width / 160,
    },
    y: { axis: null, domain: unique(lines.map((line) => line.bus)) },
    marks: [Plot.dot(lines, { fy: 'title', y: 'bus', x: 'cpuUs', fill: 'bus', r: 4 })],
  });
}

/** Room for a line for each contender in each row. */
function heightFor(lines: readonly { title: string; bus: string }[]): number {
  const rows = unique(lines.map((line) => line.title)).length;
  const buses = unique(lines.map((line) => line.bus)).length;
  return 50 + LOWER_AXIS_HEIGHT + rows * Math.max(ROW_HEIGHT, buses * 13);
}

/** Only the contenders that are in the plot are in its legend; each has the same colour in all of them. */
function figure(
  title: string,
  drawn: readonly { bus: string }[],
  { x, ...options }: Plot.PlotOptions,
): Element {
  const names = BUS_NAMES.filter((name) => drawn.some(({ bus }) => bus === name));
  const colours = names.map((name) => COLOURS[BUS_NAMES.indexOf(name) % COLOURS.length]);
  const heading = document.createElement('h3');
  heading.textContent = title;
  const frame = document.createElement('figure');
  frame.append(
    heading,
    Plot.plot({
      width,
      marginLeft: AXIS_WIDTH,
      marginRight: 24,
      marginBottom: LOWER_AXIS_HEIGHT,
      style: { background: 'transparent', fontSize: '12px' },
      color: { legend: true, domain: names, range: colours },
      x: { labelOffset: LABEL_OFFSET, ...x },
      ...options,
    }),
  );
  return frame;
}

function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 ** 2 ? `${bytes / 1024} KiB` : `${bytes / 1024 ** 2} MiB`;
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
