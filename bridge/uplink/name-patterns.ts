import { DRIVER_NAME } from '#bridge/registry/directory.js';
import { parseBusName } from '#bridge/wire/names.js';

/** Every bridge that is attached to a bus owns a name there that begins with this: docs/adoption.md. */
export const MARK_PREFIX = 'org.bus1.Uplink.';

/**
 * Bus names as the user lists them: `com.example.Name`, `com.example.*` for that name and all below it, `*` for all.
 * The bus's own name, unique names and the marks of attached bridges are never among them.
 */
export class NamePatterns {
  private readonly patterns: Set<string>;

  /** @throws PatternError */
  constructor(patterns: readonly string[]) {
    for (const pattern of patterns) checkPattern(pattern);
    this.patterns = new Set(patterns);
  }

  get texts(): string[] {
    return [...this.patterns];
  }

  get isEmpty(): boolean {
    return this.patterns.size === 0;
  }

  /** Whether all patterns are whole names. */
  get isExact(): boolean {
    return this.texts.every((pattern) => !pattern.endsWith('*'));
  }

  has(pattern: string): boolean {
    return this.patterns.has(pattern);
  }

  /** @throws PatternError */
  with(pattern: string): NamePatterns {
    return new NamePatterns([...this.patterns, pattern]);
  }

  without(pattern: string): NamePatterns {
    return new NamePatterns(this.texts.filter((each) => each !== pattern));
  }

  matches(name: string): boolean {
    if (name.startsWith(':') || name === DRIVER_NAME || name.startsWith(MARK_PREFIX)) return false;
    if (this.patterns.has(name) || this.patterns.has('*')) return true;
    for (let end = name.length; end > 0; end = name.lastIndexOf('.', end - 1)) {
      if (this.patterns.has(`${name.slice(0, end)}.*`)) return true;
    }
    return false;
  }
}

/** The text is not a valid pattern. */
export class PatternError extends Error {
  readonly code = 'bad-name-pattern';

  constructor(pattern: string) {
    super(
      `"${pattern}" is not a pattern of bus names: write a name such as com.example.Name, ` +
        'com.example.* for all names below one, or *',
    );
    this.name = 'PatternError';
  }
}

function checkPattern(pattern: string): void {
  const name = pattern.endsWith('.*') ? `${pattern.slice(0, -2)}.any` : pattern;
  const isName = parseBusName(name) !== undefined && !name.startsWith(':');
  if (pattern !== '*' && !isName) throw new PatternError(pattern);
}
