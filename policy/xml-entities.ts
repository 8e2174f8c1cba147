/**
 * Replaces references to the entities that a document declares itself. The parser knows no others than the five of
 * XML. Undefined if the text would grow beyond `maxLength`, as one made to do so does (a "billion laughs").
 */
export function expandEntities(text: string, maxLength: number): string | undefined {
  const subset = INTERNAL_SUBSET.exec(text)?.[1] ?? '';
  const entities = new Map<string, string>();
  for (const [, name, double, single] of subset.matchAll(ENTITY_OR_COMMENT)) {
    const literal: string | undefined = double ?? single;
    // Of several declarations the first counts: XML 1.0, section 4.2.
    if (name === undefined || literal === undefined || entities.has(name)) continue;
    const value = replaceReferences(literal, entities, maxLength);
    if (value === undefined) return undefined;
    entities.set(name, value);
  }
  return entities.size === 0 ? text : replaceReferences(text, entities, maxLength);
}

/** The part of a document type declaration in brackets; what comes before it has no brackets of its own. */
const INTERNAL_SUBSET = /<!DOCTYPE[^<>[\]]*\[((?:"[^"]*"|'[^']*'|<!--[^]*?-->|[^\]"'])*)\]\s*>/;
const ENTITY_OR_COMMENT = /<!--[^]*?-->|<!ENTITY\s+([\w:.-]+)\s+(?:"([^"]*)"|'([^']*)')\s*>/g;

/** Comments, CDATA sections and the document type have no references; they are matched to be skipped. */
const REFERENCE = /<!--[^]*?-->|<!\[CDATA\[[^]*?\]\]>|<!DOCTYPE[^[>]*\[[^]*?\]\s*>|&([\w:.-]+);/g;

function replaceReferences(
  text: string,
  entities: ReadonlyMap<string, string>,
  maxLength: number,
): string | undefined {
  const parts: string[] = [];
  let length = 0;
  let from = 0;
  for (const { 0: whole, 1: name = '', index } of text.matchAll(REFERENCE)) {
    const value = entities.get(name);
    if (value === undefined) continue;
    parts.push(text.slice(from, index), value);
    length += index - from + value.length;
    if (length > maxLength) return undefined;
    from = index + whole.length;
  }
  parts.push(text.slice(from));
  return parts.join('');
}
