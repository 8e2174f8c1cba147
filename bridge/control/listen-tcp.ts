import { mkdtempSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { AF_INET6, listenTcp, randomBytes, socketDomain } from '#core/linux/index.js';
import { formatAddress, type Address } from '#bridge/wire/address.js';
import { addressOf, cannotListen, type ListeningSocket } from './listening-socket.js';

/** D-Bus specification, "Nonce-authenticated TCP Sockets". */
export const NONCE_BYTES = 16;

const PORT_MAX = 65_535;

/** TCP, unauthenticated by the kernel. With `nonce-tcp` clients prove that they can read a file. */
export function listenOnTcp(address: Address): ListeningSocket {
  const text = formatAddress(address);
  const { options } = address;
  const host = options.get('host') ?? 'localhost';
  const family = familyOf(text, options.get('family'));
  const port = portOf(text, options.get('port'));
  try {
    const listening = listenTcp({
      host: options.get('bind') ?? host,
      port,
      ...(family && { family }),
    });
    const { fd } = listening;
    const bound = {
      host,
      port: String(listening.port),
      family: socketDomain(fd) === AF_INET6 ? 'ipv6' : 'ipv4',
    };
    if (address.transport === 'tcp') return { fd, address: addressOf('tcp', bound), remove() {} };
    return { fd, ...withNonce(bound) };
  } catch (error) {
    throw cannotListen(text, error);
  }
}

/** The bus creates the file itself: `noncefile` in an address to listen on is ignored. */
function withNonce(bound: Record<string, string>): Omit<ListeningSocket, 'fd'> {
  const nonce = randomBytes(NONCE_BYTES);
  const noncefile = join(mkdtempSync(join(tmpdir(), 'dbus_nonce-')), 'nonce');
  writeFileSync(noncefile, nonce, { mode: 0o600, flag: 'wx' });
  const remove = (): void => {
    try {
      unlinkSync(noncefile);
      rmdirSync(dirname(noncefile));
    } catch {
      // A cleaner of the directory for temporary files has removed it already.
    }
  };
  return { address: addressOf('nonce-tcp', { ...bound, noncefile }), nonce, remove };
}

function familyOf(text: string, family: string | undefined): 'ipv4' | 'ipv6' | undefined {
  if (family === undefined || family === 'ipv4' || family === 'ipv6') return family;
  throw cannotListen(text, `family can be ipv4 or ipv6, not "${family}"`);
}

function portOf(text: string, port = '0'): number {
  if (/^\d{1,5}$/.test(port) && Number(port) <= PORT_MAX) return Number(port);
  throw cannotListen(text, `port can be 0 (any) to ${PORT_MAX}, not "${port}"`);
}
