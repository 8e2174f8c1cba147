import type {
  MappedInterface,
  Mapping,
  MemberReference,
  MemberSet,
  ObjectKind,
} from './mapping.js';

export const PROPERTIES = 'org.freedesktop.DBus.Properties';
export const OBJECT_MANAGER = 'org.freedesktop.DBus.ObjectManager';

/** Interfaces that every object may have and that no mapping needs to name. */
export const STANDARD_INTERFACES: ReadonlySet<string> = new Set([
  'org.freedesktop.DBus.Introspectable',
  OBJECT_MANAGER,
  'org.freedesktop.DBus.Peer',
  PROPERTIES,
]);

/** Those that a handle with `only` answers, too. */
const HARMLESS_INTERFACES: ReadonlySet<string> = new Set([
  'org.freedesktop.DBus.Introspectable',
  'org.freedesktop.DBus.Peer',
]);

/** What native peers call a method or signal of the service. */
export function toNativeMember(mapping: Mapping, reference: MemberReference): MemberReference {
  const mapped = mapping.interfaces.get(reference.interface);
  if (mapped === undefined) return reference;
  const { member } = reference;
  const known = mapped.methods.get(member) ?? mapped.signals.get(member);
  return { interface: mapped.nativeName, member: known?.nativeName ?? member };
}

/** What the service calls a method or signal that a native peer names. */
export function toLegacyMember(mapping: Mapping, reference: MemberReference): MemberReference {
  const mapped = interfaceOf(mapping, reference.interface);
  if (mapped === undefined) return reference;
  const members = [...mapped.methods.values(), ...mapped.signals.values()];
  const known = members.find(({ nativeName }) => nativeName === reference.member);
  return { interface: mapped.name, member: known?.name ?? reference.member };
}

/** What native peers call an interface of the service. */
export function toNativeInterface(mapping: Mapping, name: string): string {
  return mapping.interfaces.get(name)?.nativeName ?? name;
}

/** What the service calls an interface that a native peer names. */
export function toLegacyInterface(mapping: Mapping, name: string): string {
  return interfaceOf(mapping, name)?.name ?? name;
}

function interfaceOf(mapping: Mapping, nativeName: string): MappedInterface | undefined {
  return [...mapping.interfaces.values()].find((one) => one.nativeName === nativeName);
}

/** Whether native peers see a method, signal or property; the names are those of the service. */
export function isVisible(mapping: Mapping, { interface: name, member }: MemberReference): boolean {
  // Without an interface, which D-Bus lets a caller omit, it could be the member of any.
  const candidates =
    name === '' ? [...mapping.interfaces.values()] : [mapping.interfaces.get(name)];
  return candidates.every((one) => one === undefined || !contains(one.leftOut, member));
}

/**
 * Whether a handle to an object of this kind lets a call through; the names are those of the
 * service. For a call of org.freedesktop.DBus.Properties the body names the property.
 */
export function permits(
  mapping: Mapping,
  kind: ObjectKind,
  call: MemberReference,
  body: readonly unknown[],
): boolean {
  if (call.interface !== PROPERTIES) return permitsMember(mapping, kind, call);
  const [name = '', property = ''] = body.map(String);
  if (call.member !== 'GetAll') {
    return permitsMember(mapping, kind, { interface: name, member: property });
  }
  // Translating the reply leaves out properties that are not for this handle.
  return kind.only === undefined || kind.only.has(name);
}

/** Like `permits`, for one member or property. */
export function permitsMember(
  mapping: Mapping,
  { only }: ObjectKind,
  reference: MemberReference,
): boolean {
  if (!isVisible(mapping, reference)) return false;
  if (only === undefined || HARMLESS_INTERFACES.has(reference.interface)) return true;
  const allowed = only.get(reference.interface);
  return allowed !== undefined && contains(allowed, reference.member);
}

function contains(members: MemberSet, member: string): boolean {
  return members === '*' || members.has(member);
}
