import { writeSync } from 'node:fs';
import {
  acceptConnection,
  closeFd,
  Epoll,
  EPOLLIN,
  listenUnix,
  waitReadable,
} from '#core/linux/index.js';
import { Variant } from '#bridge/wire/types.js';
import { BlockingConnection, ConnectionClosed } from '#bridge/bench/blocking-connection.js';
import { EchoEnd } from '#bridge/bench/echo.js';
import { NOTHING, SUBSCRIBER_COUNTS, type Measured, type Row } from '#bridge/bench/figures.js';
import { Greetings } from '#bridge/bench/greetings.js';
import { heapGrowth } from '#bridge/bench/heap.js';
import type { HeapGrowth } from '#bridge/bench/heap.js';
import { measure } from '#bridge/bench/load.js';
import { serviceName, signalInterface } from '#bridge/bench/names.js';
import type { Caller } from '#bridge/bench/programs.js';
import { warmly } from '#bridge/bench/timing.js';

/** Any host may accept a new connection, so to reach another one can take several attempts; this many suffice. */
const ATTEMPTS_MAX = 64;

/** Calls with ready-made D-Bus messages and blocks for the replies: no library could do less. */
export class WireCaller implements Caller {
  readonly #connection: BlockingConnection;
  readonly #greetings: Greetings | undefined;

  private constructor(connection: BlockingConnection, greetings?: Greetings) {
    this.#connection = connection;
    this.#greetings = greetings;
  }

  static openBus(path: string): WireCaller {
    return new WireCaller(BlockingConnection.openBus(path), new Greetings(path));
  }

  static openRaw(path: string): WireCaller {
    return new WireCaller(BlockingConnection.openRaw(path));
  }

  /** A connection that a process of the bus other than the service's has accepted. */
  static openElsewhere(path: string): WireCaller {
    const others: BlockingConnection[] = [];
    try {
      while (others.length < ATTEMPTS_MAX) {
        const connection = BlockingConnection.openBus(path);
        const own = hostOf(connection, connection.uniqueName);
        if (own !== hostOf(connection, serviceName(0))) return new WireCaller(connection);
        others.push(connection);
      }
    } finally {
      for (const connection of others) connection.close();
    }
    throw new Error(`${ATTEMPTS_MAX} connections were all accepted by the service's own host`);
  }

  measure(row: Row, durationMs: number): Measured {
    if (row !== 'connect' && row !== 'first-call')
      return measure(this.#connection, row, durationMs);
    return warmly(durationMs, (ms) => this.#greetings?.measure(row, ms) ?? NOTHING);
  }

  heapGrowth(calls: number): HeapGrowth {
    return heapGrowth(this.#connection, calls);
  }

  close(): void {
    this.#connection.close();
  }
}

/** The process of the bus that carries a connection, by its number in the domain. */
function hostOf(connection: BlockingConnection, name: string): number {
  const { body } = connection.call(
    {
      path: '/org/freedesktop/DBus',
      interface: 'org.freedesktop.DBus.Debug.Stats',
      member: 'GetConnectionStats',
      destination: 'org.freedesktop.DBus',
      signature: 's',
    },
    [name],
  );
  const [stats] = body;
  const host: unknown = stats instanceof Map ? stats.get('org.bus1.Process') : undefined;
  if (!(host instanceof Variant)) throw new Error('the bus does not report org.bus1.Process');
  return Number(host.value);
}

/** Answers on connections to a bus, each with a name and its subscriptions. */
export function serveBus(path: string, count: number, ready: () => void): void {
  serve(() => {
    const connections = Array.from({ length: count }, (_, i) => openSubscriber(path, i));
    ready();
    return connections;
  });
}

/** Answers on the one connection that is made to `path`. */
export function serveRaw(path: string, ready: () => void): void {
  serve(() => {
    const listener = listenUnix(path);
    ready();
    waitReadable(listener, -1);
    const fd = acceptConnection(listener);
    closeFd(listener);
    return [new BlockingConnection(fd)];
  });
}

function openSubscriber(path: string, index: number): BlockingConnection {
  const connection = BlockingConnection.openBus(path);
  connection.callBus('RequestName', 'su', [serviceName(index), 0]);
  for (const subscribers of SUBSCRIBER_COUNTS) {
    if (index >= subscribers) continue;
    connection.callBus('AddMatch', 's', [
      `type='signal',interface='${signalInterface(subscribers)}'`,
    ]);
  }
  return connection;
}

/** Until the other side has gone. */
function serve(open: () => readonly BlockingConnection[]): void {
  try {
    answerAll(open());
  } catch (error) {
    if (!(error instanceof ConnectionClosed)) throw error;
    writeSync(2, `echo service: ${error.message}\n`);
    process.exitCode = 1;
  }
}

function answerAll(connections: readonly BlockingConnection[]): never {
  const epoll = new Epoll();
  const ends: EchoEnd[] = [];
  for (const connection of connections) {
    const end = new EchoEnd(connection);
    ends[end.fd] = end;
    epoll.add(end.fd, EPOLLIN);
  }
  for (;;) {
    const count = epoll.wait(-1);
    for (let i = 0; i < count; i++) ends[epoll.fdAt(i)]?.serve();
  }
}
