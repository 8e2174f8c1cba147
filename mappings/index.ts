/**
 * Which services of an old bus native peers reach by capability, and how: docs/mappings.md.
 *
 *     const result = parseMapping(text, 'mappings/upower.yaml');
 *     if ('diagnostics' in result) throw new Error(result.diagnostics.map(formatDiagnostic).join('\n'));
 *     const found = findName([result.mapping], 'system', 'org.freedesktop.UPower');
 *
 * A node that stands for an object of such a service does, for each message,
 *
 *     toLegacyMember(mapping, { interface, member })         // native call: how the service calls it
 *     permits(mapping, kind, member, body)                   // is it for this handle?
 *     toLegacy(mapping, { part: 'call', … }, body, toPath)   // handles become paths
 *     toNative(mapping, { part: 'return', … , call }, body, toHandle) // paths become handles
 *     endedObjects(mapping, { part: 'return', … }, body, path) // whose handles are now released
 *
 * and the same with `part: 'signal'` for signals. All of it is pure: no I/O, no state.
 */
export { closest } from './closest.js';
export { adviceAt, byPosition, errorAt, formatDiagnostic } from './diagnostic.js';
export type { Diagnostic, DiagnosticCode, SourcePosition } from './diagnostic.js';
export { parseMapping } from './parse.js';
export type { ParseResult } from './parse.js';
export { isConfinement } from './mapping.js';
export type {
  BusKind,
  Confinement,
  Direction,
  Ending,
  MappedInterface,
  MappedMethod,
  MappedName,
  MappedProperty,
  MappedSignal,
  Mapping,
  MemberReference,
  MemberSet,
  ObjectKind,
  ObjectPlace,
  UplinkGrant,
} from './mapping.js';
export { isNamePattern, matchName, nameSpecificity, patternsOverlap } from './names.js';
export { expandPath, matchPath } from './path-pattern.js';
export type { PathPattern } from './path-pattern.js';
export type { Place, Step } from './place.js';
export { allowsUplink, findName, firstPath, objectFor } from './objects.js';
export type { MappedObject } from './objects.js';
export {
  STANDARD_INTERFACES,
  isVisible,
  permits,
  toLegacyInterface,
  toLegacyMember,
  toNativeInterface,
  toNativeMember,
} from './members.js';
export { toLegacy, toNative } from './translate.js';
export type { MappedMessage, MessagePart, ToHandle, ToPath } from './translate.js';
export { endedObjects, isKept } from './lifetime.js';
export { lintMappings } from './lint.js';
