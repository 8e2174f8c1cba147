import { check } from './errno.js';
import { closeFd } from './fd.js';
import { sendto, socket } from './libc.js';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, unixAddress } from './socket.js';

const MSG_NOSIGNAL = 0x4000;

/**
 * Tells the service manager `text` (such as 'READY=1'), see sd_notify(3). False when there is no
 * manager that listens: $NOTIFY_SOCKET is not set.
 */
export function sdNotify(text: string): boolean {
  const path = process.env['NOTIFY_SOCKET'];
  if (path === undefined || path === '') return false;
  const address = unixAddress(path.startsWith('@') ? `\0${path.slice(1)}` : path);
  const bytes = Buffer.from(text, 'utf8');
  const fd = check(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket');
  try {
    const sent = sendto(fd, bytes, bytes.length, MSG_NOSIGNAL, address, address.length);
    check(sent, 'sendto', path);
  } finally {
    closeFd(fd);
  }
  return true;
}
