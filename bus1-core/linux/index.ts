export {
  acceptConnection,
  bindDatagram,
  connectTcp,
  connectUnix,
  DatagramSender,
  hasDatagramReceiver,
  listenTcp,
  listenUnix,
} from './socket.js';
export { setNoDelay, shutdownBoth, socketError, socketPair, unixSocketPath } from './socket.js';
export { AF_INET, AF_INET6, AF_UNIX } from './socket.js';
export type { ListenOptions, TcpListenOptions } from './socket.js';
export { ResolveError } from './tcp-address.js';
export { setRunLater } from './close-in-child.js';
export {
  closeFd,
  duplicate,
  isListening,
  isSocket,
  setAllCloseOnExec,
  setCloseOnExec,
} from './fd.js';
export { setNonBlocking, socketDomain } from './fd.js';
export {
  hasPeerPidFd,
  peerCredentials,
  peerGroups,
  peerPidFd,
  peerSecurityLabel,
} from './credentials.js';
export type { PeerCredentials } from './credentials.js';
export { Doorbell } from './doorbell.js';
export { Epoll, EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from './epoll.js';
export { Errno, errnoName, SystemError } from './errno.js';
export { EventFd } from './eventfd.js';
export { executableOf } from './executable.js';
export { FUTEX_WAITERS_MAX, FutexResult, FutexWaiters, futexWait, futexWake } from './futex.js';
export { requestSlice } from './scheduling.js';
export {
  keepFreedMemory,
  returnFreedMemory,
  returnWhenFreed,
  shareMallocArenas,
} from './malloc.js';
export { forgetProgramPages } from './program-pages.js';
export { SharedMapping } from './mapping.js';
export { createMemfd, memfdBytes, memfdSeals, resizeMemfd, Seal, sealMemfd } from './memfd.js';
export { closeSocket, MessageReceiver, MessageSender, recvBytes, sendBytes } from './message-io.js';
export { SCM_MAX_FD, SEND_PIECES_MAX } from './message-io.js';
export { addressOf, allocateBytes, NativeMemory } from './native-memory.js';
export { viewsMade } from './libc.js';
export { watchReadable, type LoopWatch } from './node-loop.js';
export { SpareDescriptor } from './spare-descriptor.js';
export { sdNotify } from './notify.js';
export { randomBytes } from './random.js';
export { closeReceived } from './received-descriptor.js';
export { waitReadable, waitWritable } from './poll.js';
export { geteuid, getOpenFilesLimit, getOpenFilesLimitOf, getuid, killProcess } from './process.js';
export { nameThread, prctl, PrctlOption, replaceProcess, setgid, setgroups } from './process.js';
export {
  setOpenFilesLimit,
  setOpenFilesLimitOf,
  setsid,
  setuid,
  spareAddressSpace,
  spareData,
  umask,
  yieldProcessor,
} from './process.js';
export type { OpenFilesLimit } from './process.js';
export { groupsOf, lookupGroup, lookupUser } from './users.js';
export type { Group, User } from './users.js';
