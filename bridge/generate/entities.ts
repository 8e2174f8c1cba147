/**
 * Puts the entities that a document type declares as plain text, such as
 * `<!ENTITY ERROR_GENERAL "org.freedesktop.UPower.GeneralError">`, in the places that refer to them.
 * An entity that refers to others is left to the XML parser, which refuses it.
 */
export function expandEntities(xml: string): string {
  const declared = /<!ENTITY\s+([A-Za-z_][\w.-]*)\s+(?:"([^"&%<]*)"|'([^'&%<]*)')\s*>/g;
  const values = new Map(
    [...xml.matchAll(declared)].map(([, name, double, single]) => [name, double ?? single]),
  );
  if (values.size === 0) return xml;
  return xml.replace(/&([A-Za-z_][\w.-]*);/g, (reference, name) => values.get(name) ?? reference);
}
