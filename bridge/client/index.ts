/** The native API: programs that are members of a BUS1 domain themselves (docs/native-api.md). */
export { Bus } from './bus.js';
export { Capability, type CapabilityTo } from './capability.js';
export { Domain, type CreateOptions, type DomainOptions } from './domain.js';
export { BusClosedError, ClientError, DBusError, ErrorName, TimeoutError } from './errors.js';
export type { ClientErrorCode } from './errors.js';
export type { Call, CallerProcess, IncomingCall } from './incoming-call.js';
export type * from './interface-description.js';
export { join, joinSync, type JoinOptions } from './join.js';
export type { MappedNames, ObjectOf } from './mapped.js';
export type { MemberOptions } from './member.js';
export type { TransportKind } from './transport.js';
export {
  Reply,
  type Broadcast,
  type Content,
  type MethodCall,
  type NamedCall,
} from './method-call.js';
export { ReleaseNameReply, RequestNameReply, type NameFlags } from './own-names.js';
export type { ExportOptions } from './exported-object.js';
export { implement, ServedInterface, type ServedInterfaces } from './served-interface.js';
export { ServedObject } from './served-object.js';
export { Signal } from './signal.js';
export type { SignalRule } from './signal-rule.js';
export { RemoteObject } from './remote-object.js';
export { ManagedObjects, type InterfaceValues, type ManagedChange } from './managed-objects.js';
export { WatchedProperties, type PropertyChanges } from './watched-properties.js';
export type { Credentials } from './name-watch.js';
export {
  method,
  property,
  serviceOf,
  signal,
  type AnyMethod,
  type PropertyContext,
} from './service-class.js';
export { Stream } from './stream.js';
export { Variant } from '#bridge/wire/types.js';
export { WireError, WireFault } from '#bridge/wire/faults.js';
