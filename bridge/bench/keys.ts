/** Whether the record has this key of its own. */
export function isKeyOf<T extends object>(record: T, key: PropertyKey): key is keyof T {
  return Object.hasOwn(record, key);
}

/** The keys of a record with nothing but these keys, in their order. */
export function keysOf<Key extends string>(record: Readonly<Record<Key, unknown>>): Key[] {
  return Object.keys(record).filter((key): key is Key => isKeyOf(record, key));
}

/** A word of the command line that selects an entry. @throws RangeError for any other */
export function entryAt<T>(record: Readonly<Record<string, T>>, key: string | undefined): T {
  const entry = key !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
  if (entry !== undefined) return entry;
  throw new RangeError(`${key} is none of ${Object.keys(record).join(', ')}`);
}
