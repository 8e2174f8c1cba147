import { SUBSCRIBER_COUNTS, type Subscribers } from './figures.js';

/** What caller and echo service agree on. */

export const BENCH_PATH = '/org/bus1/Bench';
export const BENCH_INTERFACE = 'org.bus1.Bench';

/** Connections of the echo service where signals are measured; the first one also answers the calls. */
export const SUBSCRIBERS_MAX = Math.max(...SUBSCRIBER_COUNTS);

/** The interface of the signals that the first `subscribers` connections have subscribed to. */
export function signalInterface(subscribers: Subscribers): string {
  return `org.bus1.Bench.To${subscribers}`;
}

/** Well-known name of the service's connection `index`. */
export function serviceName(index: number): string {
  return `org.bus1.Bench.Echo${index}`;
}

/** All of them, as rules of proxies and of `bus1-bridge attach` have it. */
export const NAME_PATTERN = 'org.bus1.Bench.*';
