import { listenUnix } from '#core/linux/index.js';
import { addressOf, cannotListen, removalOf, type ListeningSocket } from './listening-socket.js';
import { BACKLOG, removeStaleSocket, SOCKET_MODE } from './listen-unix.js';

/** Ends the path or abstract name of the socket on which programs join a bus's domain as native peers. */
const SUFFIX = '.bus1';

/** Opens, beside each unix socket of a bus, the one on which native peers join. */
export function listenForNativePeers(sockets: readonly ListeningSocket[]): ListeningSocket[] {
  return sockets.flatMap(({ address }) => {
    const path = address?.options.get('path');
    const abstract = address?.options.get('abstract');
    if (path !== undefined) return [listenOnPath(path + SUFFIX)];
    return abstract === undefined ? [] : [listenOnAbstract(abstract + SUFFIX)];
  });
}

function listenOnPath(path: string): ListeningSocket {
  const text = `bus1:path=${path}`;
  try {
    removeStaleSocket(text, path);
    const fd = listenUnix(path, { backlog: BACKLOG, mode: SOCKET_MODE });
    return { fd, address: addressOf('bus1', { path }), remove: removalOf(path) };
  } catch (error) {
    throw cannotListen(text, error);
  }
}

function listenOnAbstract(name: string): ListeningSocket {
  const fd = listenUnix(`\0${name}`, { backlog: BACKLOG });
  return { fd, address: addressOf('bus1', { abstract: name }), remove: () => {} };
}
