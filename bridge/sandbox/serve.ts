import { rmSync, writeSync } from 'node:fs';
import { closeFd, listenUnix, socketPair } from '#core/linux/index.js';
import { BusConnection } from '#bridge/socket/connection.js';
import { SANDBOX_INTERFACE, type ProxyOptions } from './proxy-options.js';
import { ProxyLoop } from './proxy.js';

/** If a bus does not answer within this time, a proxy serves it, and connects to it once for each client. */
const ANSWER_MAX_MS = 5000;

/**
 * Listens for the clients of buses, until the other end of `readyFd` is closed; without one, until a signal ends the
 * process. A bridge serves its clients itself: if all buses are bridges, and `readyFd` tells them when to end, this
 * returns at once.
 */
export async function serve(
  proxies: readonly ProxyOptions[],
  readyFd: number | undefined,
): Promise<void> {
  const [ourEnd, life] = readyFd === undefined ? socketPair() : [readyFd, readyFd];
  const loop = new ProxyLoop();
  let handedOver = 0;
  for (const options of proxies) {
    // A socket that another proxy has left behind would be in the way of bind(2).
    rmSync(options.path, { force: true });
    const fd = listenUnix(options.path);
    if (await handOver(fd, life, options)) {
      handedOver++;
      closeFd(fd);
    } else loop.add(fd, options);
  }
  if (readyFd === undefined) closeFd(life);
  else writeSync(readyFd, 'x');
  if (handedOver === proxies.length && readyFd !== undefined) return;
  loop.run(readyFd ?? (handedOver > 0 ? ourEnd : undefined));
}

/** Asks a bridge to serve a socket for as long as the other end of `life` is open. False: a proxy has to serve it. */
async function handOver(
  fd: number,
  life: number,
  { address, log, words }: ProxyOptions,
): Promise<boolean> {
  // Only a proxy can print the log.
  if (log) return false;
  let bus: BusConnection | undefined;
  try {
    bus = await BusConnection.open(address, ANSWER_MAX_MS);
    if (!bus.hasUnixFds) return false;
    const call = { interface: SANDBOX_INTERFACE, member: 'Listen', signature: 'hhas' };
    await bus.call({ ...call, body: [0, 1, words], fds: [fd, life] }, ANSWER_MAX_MS);
    return true;
  } catch {
    return false;
  } finally {
    bus?.close();
  }
}
