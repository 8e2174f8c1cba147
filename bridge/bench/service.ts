import { writeSync } from 'node:fs';
import {
  acceptConnection,
  closeFd,
  Epoll,
  EPOLLIN,
  listenUnix,
  prctl,
  PrctlOption,
  waitReadable,
} from '#core/linux/index.js';
import { Connection, ConnectionClosed } from './connection.js';
import { EchoEnd } from './echo.js';
import { serviceName, SIGNAL_INTERFACES, SUBSCRIBERS } from './names.js';

// The echo service, a process of its own: `service.js bus|raw SOCKET`. Writes "ready" once it can
// be called.

const SIGKILL = 9;

function openSubscriber(path: string, index: number): Connection {
  const connection = Connection.openBus(path);
  connection.callBus('RequestName', 'su', [serviceName(index), 0]);
  for (const [subscribers, name] of Object.entries(SIGNAL_INTERFACES)) {
    if (index >= Number(subscribers)) continue;
    connection.callBus('AddMatch', 's', [`type='signal',interface='${name}'`]);
  }
  return connection;
}

function acceptRaw(path: string): Connection {
  const listener = listenUnix(path);
  ready();
  waitReadable(listener, -1);
  const fd = acceptConnection(listener);
  closeFd(listener);
  return new Connection(fd);
}

function ready(): void {
  writeSync(1, 'ready\n'); // synchronous: from here on this process blocks in epoll_wait
}

function openAll(transport: string, path: string): Connection[] {
  if (transport === 'raw') return [acceptRaw(path)];
  const connections = Array.from({ length: SUBSCRIBERS }, (_, i) => openSubscriber(path, i));
  ready();
  return connections;
}

function serve(connections: readonly Connection[]): never {
  const epoll = new Epoll();
  const ends: EchoEnd[] = [];
  for (const connection of connections) {
    const end = new EchoEnd(connection);
    ends[end.fd] = end;
    epoll.add(end.fd, EPOLLIN);
  }
  for (;;) {
    const count = epoll.wait(-1);
    for (let i = 0; i < count; i++) ends[epoll.fdAt(i)].serve();
  }
}

prctl(PrctlOption.SetParentDeathSignal, SIGKILL);
const [transport, path] = process.argv.slice(2);
try {
  serve(openAll(transport, path));
} catch (error) {
  if (!(error instanceof ConnectionClosed)) throw error;
  writeSync(2, `echo service: ${error.message}\n`);
  process.exitCode = 1;
}
