import { writeSync } from 'node:fs';
import {
  acceptConnection,
  closeFd,
  Epoll,
  EPOLLIN,
  listenUnix,
  waitReadable,
} from '#core/linux/index.js';
import { Connection, ConnectionClosed } from '#bridge/bench/connection.js';
import { EchoEnd } from '#bridge/bench/echo.js';
import { SUBSCRIBER_COUNTS } from '#bridge/bench/figures.js';
import { serviceName, signalInterface } from '#bridge/bench/names.js';

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
    return [new Connection(fd)];
  });
}

function openSubscriber(path: string, index: number): Connection {
  const connection = Connection.openBus(path);
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
function serve(open: () => readonly Connection[]): void {
  try {
    answerAll(open());
  } catch (error) {
    if (!(error instanceof ConnectionClosed)) throw error;
    writeSync(2, `echo service: ${error.message}\n`);
    process.exitCode = 1;
  }
}

function answerAll(connections: readonly Connection[]): never {
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
