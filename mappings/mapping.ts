import type { SourcePosition } from './diagnostic.js';
import type { PathPattern } from './path-pattern.js';
import type { Place } from './place.js';

/** `accessibility` is the bus whose address org.a11y.Bus.GetAddress returns. */
export type BusKind = 'session' | 'system' | 'accessibility';

/** `import`: from the old bus to the bridge; `export`: from the bridge to the old bus. */
export type Direction = 'import' | 'export';

/** Where the body of a message holds the path of an object, and of which kinds it may be. */
export interface ObjectPlace {
  readonly place: Place;
  /** As the file has it. */
  readonly text: string;
  readonly kinds: readonly ObjectKind[];
  readonly at: SourcePosition;
}

/** A kind of object that native peers hold handles to. */
export interface ObjectKind {
  readonly name: string;
  readonly paths: readonly PathPattern[];
  /** The interfaces of such an object; when the first is removed, the object has ended. */
  readonly interfaces: readonly string[];
  /** `caller`: the object is one that the caller offers to the service, such as an agent. */
  readonly owner: 'service' | 'caller';
  /** Has org.freedesktop.DBus.ObjectManager. */
  readonly isManager: boolean;
  /** The method without arguments to call when the last handle has been released. */
  readonly release?: MemberReference;
  /** What may be called through the handle, by interface; absent: everything not left out. */
  readonly only?: ReadonlyMap<string, MemberSet>;
  readonly at: SourcePosition;
}

export interface MemberReference {
  readonly interface: string;
  readonly member: string;
}

export type MemberSet = '*' | ReadonlySet<string>;

/** What a message ends: the object it is sent to or comes from, or the one at a place. */
export type Ending = 'self' | Place;

export interface MappedMethod {
  readonly name: string;
  /** What native peers call it. */
  readonly nativeName: string;
  readonly in: readonly ObjectPlace[];
  readonly out: readonly ObjectPlace[];
  /** Ended by a successful call; a place is one of the call's arguments. */
  readonly ends?: Ending;
  readonly at: SourcePosition;
}

export interface MappedSignal {
  readonly name: string;
  readonly nativeName: string;
  readonly args: readonly ObjectPlace[];
  readonly ends?: Ending;
  /** Kept for holders of a handle to the object that could not subscribe yet. Does not end anything else. */
  readonly isKept: boolean;
  readonly at: SourcePosition;
}

export interface MappedProperty {
  readonly name: string;
  /** Places in the property's value. */
  readonly places: readonly ObjectPlace[];
  readonly at: SourcePosition;
}

export interface MappedInterface {
  readonly name: string;
  readonly nativeName: string;
  readonly methods: ReadonlyMap<string, MappedMethod>;
  readonly signals: ReadonlyMap<string, MappedSignal>;
  readonly properties: ReadonlyMap<string, MappedProperty>;
  /** Methods, signals and properties that native peers do not see. */
  readonly leftOut: MemberSet;
  readonly at: SourcePosition;
}

/** Which names lead to which object. */
export interface MappedName {
  readonly pattern: string;
  readonly object: ObjectKind;
  readonly direction: Direction;
  readonly at: SourcePosition;
}

/** Why the bridge considers a client confined. */
const CONFINEMENTS = ['uid', 'root', 'flatpak', 'snap'] as const;
export type Confinement = (typeof CONFINEMENTS)[number];

export function isConfinement(text: string): text is Confinement {
  return CONFINEMENTS.some((each) => each === text);
}

/** A confined client that gets an uplink all the same. */
export interface UplinkGrant {
  readonly confinement: Confinement;
  /** A uid, a root directory, the ID of a flatpak or the name of a snap; `*` for all. */
  readonly id: string;
}

/** How one service is reached by native peers. */
export interface Mapping {
  readonly file: string;
  readonly service: string;
  readonly buses: readonly BusKind[];
  readonly names: readonly MappedName[];
  readonly objects: ReadonlyMap<string, ObjectKind>;
  readonly interfaces: ReadonlyMap<string, MappedInterface>;
  readonly uplinks: readonly UplinkGrant[];
}
