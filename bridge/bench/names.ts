/** What caller and echo service agree on. */

export const BENCH_PATH = '/org/bus1/Bench';
export const BENCH_INTERFACE = 'org.bus1.Bench';

/** Connections of the echo service where signals are measured; the first one also answers the calls. */
export const SUBSCRIBERS = 10;

/** Signals of this interface have one subscriber (the first), or all of them. */
export const SIGNAL_INTERFACES = { 1: 'org.bus1.Bench.One', 10: 'org.bus1.Bench.Ten' } as const;

/** Well-known name of the service's connection `index`. */
export function serviceName(index: number): string {
  return `org.bus1.Bench.Echo${index}`;
}

/** All of them, as rules of proxies and of `bus1-bridge attach` have it. */
export const NAME_PATTERN = 'org.bus1.Bench.*';
