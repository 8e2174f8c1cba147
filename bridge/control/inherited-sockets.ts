/** sd_listen_fds(3): descriptors that the service manager passes start here. */
export const LISTEN_FDS_START = 3;

/** How many sockets this process was given by the service manager: sd_listen_fds(3). */
export function inheritedSockets(environment: NodeJS.ProcessEnv): number {
  if (environment['LISTEN_PID'] !== String(process.pid)) return 0;
  const count = environment['LISTEN_FDS'] ?? '';
  return /^\d{1,5}$/.test(count) ? Number(count) : 0;
}
