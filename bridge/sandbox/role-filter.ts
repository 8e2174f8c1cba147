import type { Confinement, RoleGrant } from '#policy/index.js';
import { Access, NameRules, type MessageKind, type NameRule } from './name-rules.js';
import type { FilterOptions } from './proxy-options.js';

const ACCESS: Readonly<Record<RoleGrant['kind'], Access>> = {
  see: Access.See,
  talk: Access.Talk,
  own: Access.Own,
  call: Access.Talk,
  hear: Access.Talk,
};

/** The options that xdg-dbus-proxy would have for a client with these grants. */
export function filterOfRoles({ grants, by }: Confinement): FilterOptions {
  const rules = new NameRules(grants.map(ruleOf));
  const rule = `${by.file}:${by.line}`;
  const why = `role "${by.name}" at ${rule} does not grant it`;
  return { filter: true, sloppyNames: false, rules, denial: { why, rule } };
}

function ruleOf(grant: RoleGrant): NameRule {
  const { kind, name, isSubtree, path, isPathSubtree, interface: iface, member } = grant;
  return {
    name,
    isSubtree,
    access: ACCESS[kind],
    kinds: kindsOf(kind),
    ...(path !== undefined && { path }),
    ...(isPathSubtree === true && { isPathSubtree }),
    ...(iface !== undefined && { interface: iface }),
    ...(member !== undefined && { member }),
  };
}

function kindsOf(kind: RoleGrant['kind']): readonly MessageKind[] {
  if (kind === 'call') return ['call'];
  return kind === 'hear' ? ['broadcast'] : ['call', 'broadcast'];
}
