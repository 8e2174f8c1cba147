import {
  AF_UNIX,
  isListening,
  setCloseOnExec,
  setNonBlocking,
  socketDomain,
  unixSocketPath,
} from '#core/linux/index.js';
import type { Address } from '#bridge/wire/address.js';
import { LISTEN_FDS_START, inheritedSockets } from './inherited-sockets.js';
import { addressOf, cannotListen, type ListeningSocket } from './listening-socket.js';

const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];

/** Takes over the sockets of the service manager; the programs that the bus starts do not see them. */
export function listenOnInherited(environment: NodeJS.ProcessEnv): ListeningSocket[] {
  const count = inheritedSockets(environment);
  for (const name of VARIABLES) delete environment[name];
  if (count === 0) {
    const advice = 'start the bus from a socket unit, or choose another address';
    throw cannotListen('systemd:', 'no sockets were passed in LISTEN_FDS', advice);
  }
  return Array.from({ length: count }, (_, index) => takeOver(LISTEN_FDS_START + index));
}

function takeOver(fd: number): ListeningSocket {
  if (!isListening(fd)) {
    const advice = 'use ListenStream= in the socket unit';
    throw cannotListen('systemd:', `descriptor ${fd} is not a listening socket`, advice);
  }
  setNonBlocking(fd);
  setCloseOnExec(fd, true);
  return { fd, address: addressOfUnixSocket(fd), remove: () => {} };
}

function addressOfUnixSocket(fd: number): Address | undefined {
  const path = socketDomain(fd) === AF_UNIX ? unixSocketPath(fd) : undefined;
  if (path === undefined || path === '') return undefined;
  return path.startsWith('\0')
    ? addressOf('unix', { abstract: path.slice(1) })
    : addressOf('unix', { path });
}
