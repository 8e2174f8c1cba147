/** What names look like on a bus (D-Bus specification, "Valid Names"); lengths are left to the bus. */
const ELEMENTS = String.raw`[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)`;
export const INTERFACE = new RegExp(`^${ELEMENTS}+$`, 'u');
export const BUS_NAME = /^(:[\w-]+(\.[\w-]+)*|[A-Za-z_-][\w-]*(\.[A-Za-z_-][\w-]*)*)$/u;
export const WELL_KNOWN_NAME = /^[A-Za-z_-][\w-]*(\.[A-Za-z_-][\w-]*)+$/u;
export const MEMBER = /^[A-Za-z_]\w*$/u;
export const OBJECT_PATH = /^\/$|^(\/\w+)+$/u;
