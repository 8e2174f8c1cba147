import koffi from 'koffi';

const libc = koffi.load(null);
const pipe2 = libc.func('int pipe2(void *, int)');
const poll = libc.func('int poll(void *, ulong, int)');
const O_CLOEXEC = 0o2000000;
const POLLHUP = 16;

export function openPipe() {
  const fds = new Int32Array(2);
  if (pipe2(fds, O_CLOEXEC) !== 0) throw new Error('pipe2');
  return [fds[0], fds[1]];
}

/** Whether no process has the write end open any more, under way or not. */
export function isHungUp(fd) {
  const pollfd = new Int32Array([fd, 0]);
  poll(pollfd, 1, 0);
  return ((pollfd[1] >>> 16) & POLLHUP) !== 0;
}
