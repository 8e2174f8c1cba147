const TAG = /<(\/?)([a-z]+)((?:\s+[a-zA-Z]+="[^"]*")*)\s*(\/?)>/gu;
const ATTRIBUTE = /([a-zA-Z]+)="([^"]*)"/gu;

/**
 * What introspection data says, in whatever order and with whatever white space it says it. The names of arguments
 * are left out, for they are documentation; their order counts.
 */
export function interfacesOf(xml: string): string[] {
  const facts: string[] = [];
  let scope: string[] = [];
  let argumentNumber = 0;
  for (const [, closes, tag, attributeText, isEmpty] of xml.matchAll(TAG)) {
    if (closes === '/') {
      scope = scope.slice(0, -1);
      continue;
    }
    if (tag !== 'arg') argumentNumber = 0;
    const attributes = new Map(
      [...attributeText.matchAll(ATTRIBUTE)].map(([, key, value]) => [key, value]),
    );
    const name = tag === 'arg' ? argumentNumber++ : (attributes.get('name') ?? '');
    const path = [...scope, `${tag} ${name}`];
    facts.push([path.join(' / '), ...facets(attributes)].join(' '));
    if (isEmpty !== '/') scope = path;
  }
  return facts.toSorted();
}

function facets(attributes: ReadonlyMap<string, string>): string[] {
  return ['type', 'direction', 'access', 'value'].flatMap((key) => attributes.get(key) ?? []);
}
