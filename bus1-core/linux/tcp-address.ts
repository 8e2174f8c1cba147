import { freeaddrinfo, gaiStrerror, getaddrinfo, viewMemory } from './libc.js';

// netdb.h, the same numbers in glibc and musl; see getaddrinfo(3).
const AI_PASSIVE = 1;
const AF_UNSPEC = 0;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;

// struct addrinfo: flags, family, socktype, protocol, addrlen, (padding), addr, canonname, next.
const ADDRINFO_BYTES = 48;
const ADDRINFO_ADDRLEN = 16;
const ADDRINFO_ADDR = 24;

export interface TcpLookup {
  /** Name or literal address; null for every interface (passive) or loopback. */
  host: string | null;
  port: number;
  family: 'ipv4' | 'ipv6' | undefined;
  /** To listen, not to connect. */
  passive: boolean;
}

/** A host that has no address. `code` is stable. */
export class ResolveError extends Error {
  readonly code = 'EHOSTUNKNOWN';

  constructor(host: string, reason: string) {
    super(
      `cannot resolve host '${host}': ${reason}; check the spelling, or give a literal address`,
    );
    this.name = 'ResolveError';
  }
}

/** First address (a struct sockaddr) of host and port. Blocks while names are looked up. */
export function resolveTcp({ host, port, family, passive }: TcpLookup): Uint8Array {
  const hints = new Uint8Array(ADDRINFO_BYTES);
  const wanted = family === 'ipv4' ? AF_INET : family === 'ipv6' ? AF_INET6 : AF_UNSPEC;
  new Int32Array(hints.buffer).set([passive ? AI_PASSIVE : 0, wanted, SOCK_STREAM]);
  const result = new Uint8Array(8);
  const code = getaddrinfo(host, String(port), hints, result);
  if (code !== 0) throw new ResolveError(host ?? '*', gaiStrerror(code));
  const list = Number(new DataView(result.buffer).getBigUint64(0, true));
  try {
    const entry = new DataView(viewMemory(list, ADDRINFO_BYTES));
    const length = entry.getUint32(ADDRINFO_ADDRLEN, true);
    const address = Number(entry.getBigUint64(ADDRINFO_ADDR, true));
    return new Uint8Array(viewMemory(address, length)).slice();
  } finally {
    freeaddrinfo(list);
  }
}
