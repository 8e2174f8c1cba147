/* Which names are valid: D-Bus Specification, "Valid Names". */

/** Section "Maximum length" of every kind of name. */
const NAME_MAX_LENGTH = 255;

const BUS_NAME = /^[A-Za-z_-][\w-]*(?:\.[A-Za-z_-][\w-]*)+$/;
const BUS_NAME_PREFIX = /^[A-Za-z_-][\w-]*(?:\.[A-Za-z_-][\w-]*)*$/;
const INTERFACE = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$/;
const MEMBER = /^[A-Za-z_]\w*$/;

export function isInterfaceName(text: string): boolean {
  return text.length <= NAME_MAX_LENGTH && INTERFACE.test(text);
}

export function isMemberName(text: string): boolean {
  return text.length <= NAME_MAX_LENGTH && MEMBER.test(text);
}

/**
 * Whether the text is a well-known name, `*`, or a name followed by `.*`. A unique name is not a pattern:
 * it belongs to one connection and says nothing about a service.
 */
export function isNamePattern(text: string): boolean {
  if (text === '*') return true;
  if (text.length > NAME_MAX_LENGTH) return false;
  return text.endsWith('.*') ? BUS_NAME_PREFIX.test(text.slice(0, -2)) : BUS_NAME.test(text);
}

/**
 * Whether a pattern matches a well-known name. As with xdg-dbus-proxy(1), `org.example.*` is
 * `org.example` itself and all names below it; `*` is every well-known name.
 */
export function matchName(pattern: string, name: string): boolean {
  if (name.startsWith(':')) return false;
  if (pattern === '*') return true;
  if (!pattern.endsWith('.*')) return name === pattern;
  const prefix = pattern.slice(0, -2);
  return name === prefix || name.startsWith(`${prefix}.`);
}

/** Orders patterns: of two that match a name, the one with the greater number is meant. */
export function nameSpecificity(pattern: string): number {
  if (pattern === '*') return 0;
  return pattern.endsWith('.*') ? pattern.length - 1 : pattern.length + NAME_MAX_LENGTH;
}

/** Whether there can be a name that both patterns match. */
export function patternsOverlap(one: string, other: string): boolean {
  const base = (pattern: string): string => pattern.replace(/\.\*$/, '');
  return one === '*' || other === '*' || matchName(one, base(other)) || matchName(other, base(one));
}
