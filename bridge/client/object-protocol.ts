/*
 * Interfaces that an object has for every holder of a capability to it, beside those that it was made with. Paths have
 * no meaning in them.
 */

/** `Subscribe(o listener)`: the signals of the object are sent to the listener, as long as it is there. */
export const SIGNALS = 'org.bus1.Signals';

/** `GetKind() -> (s service, s kind)`, of an object of a mapped service: what the mapping calls them. */
export const MAPPING = 'org.bus1.Mapping';
