import { closeFd, connectTcp, connectUnix, SystemError } from '#core/linux/index.js';
import { AddressError, formatAddress, parseAddresses, type Address } from '#bridge/wire/address.js';

/** A socket that is connected, and the guid that its address promises. */
export interface BusSocket {
  readonly fd: number;
  readonly guid: string | undefined;
}

/** Connects to the first address of a list that answers. Returns the reason as a text if none does. */
export function connectToBus(text: string): BusSocket | string {
  const addresses = parseAddresses(text);
  if (addresses instanceof AddressError) return addresses.message;
  let failure = `there is no address in "${text}"`;
  for (const address of addresses) {
    try {
      const fd = connectTo(address);
      if (fd !== undefined) return { fd, guid: address.options.get('guid') };
      failure = whyUnsupported(address);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      failure = error.message;
    }
  }
  return failure;
}

function whyUnsupported(address: Address): string {
  const { transport } = address;
  if (transport === 'unix') return `"${formatAddress(address)}" has neither path nor abstract`;
  if (transport === 'tcp') return `"${formatAddress(address)}" has no port that is a number`;
  return `cannot connect by the transport "${transport}"; unix: and tcp: are supported`;
}

/** Why the address cannot be reached at present; undefined if it can. */
export function whyUnreachable(text: string): string | undefined {
  const reached = connectToBus(text);
  if (typeof reached === 'string') return reached;
  closeFd(reached.fd);
  return undefined;
}

/** Whether `connectToBus` supports the address. */
export function isReachable({ transport, options }: Address): boolean {
  if (transport === 'tcp') return Number.isInteger(Number(options.get('port')));
  return transport === 'unix' && (options.has('path') || options.has('abstract'));
}

function connectTo({ transport, options }: Address): number | undefined {
  const path = options.get('path');
  const abstract = options.get('abstract');
  if (transport === 'unix' && path !== undefined) return connectUnix(path);
  if (transport === 'unix' && abstract !== undefined) return connectUnix(`\0${abstract}`);
  const port = Number(options.get('port'));
  if (transport !== 'tcp' || !Number.isInteger(port)) return undefined;
  return connectTcp(options.get('host') ?? 'localhost', port);
}
