import { posix } from 'node:path';
import { parseBusconfig } from './busconfig-parser.js';
import { ConfigFileBuilder } from './config-builder.js';
import type { IncludeOptions, Includer } from './config-builder.js';
import { appendConfig } from './config.js';
import type { BusConfig } from './config.js';
import { ConfigSyntaxError, SourceText } from './diagnostic.js';
import type { Diagnostic, SourcePosition } from './diagnostic.js';
import type { IoFailure, PolicyIo } from './io.js';
import { parsePolicyYaml } from './yaml.js';

/** A configuration, or why the main file (or a file it cannot do without) makes none. */
export type ConfigResult =
  | { readonly ok: true; readonly config: BusConfig; readonly diagnostics: readonly Diagnostic[] }
  | { readonly ok: false; readonly error: Diagnostic; readonly diagnostics: readonly Diagnostic[] };

/**
 * Reads a configuration and everything it includes; `.yaml` and `.yml` are policy YAML, all else is
 * busconfig XML. A file in an <includedir> or an <include ignore_missing="yes"> that cannot be read
 * or parsed is reported and contributes nothing; the same in the main file, or in a plain
 * <include>, is the error of the result.
 */
export function readConfig(path: string, io: PolicyIo): ConfigResult {
  const reader = new ConfigReader(io);
  try {
    const config = reader.read(path, { file: path, line: 1, column: 1 });
    return { ok: true, config, diagnostics: reader.diagnostics };
  } catch (error) {
    if (!(error instanceof ConfigSyntaxError)) throw error;
    return { ok: false, error: error.diagnostic, diagnostics: reader.diagnostics };
  }
}

class ConfigReader implements Includer {
  readonly diagnostics: Diagnostic[] = [];
  readonly io: PolicyIo;
  /** The files being read, outermost first. */
  readonly #chain: string[] = [];

  constructor(io: PolicyIo) {
    this.io = io;
  }

  /** Reads one file; `from` is where it was asked for. Throws ConfigSyntaxError. */
  read(path: string, from: SourcePosition): BusConfig {
    const text = this.io.readFile(path);
    if (typeof text !== 'string') throw unreadable(path, text, from);
    this.#chain.push(path);
    try {
      const source = new SourceText(path, text);
      const builder = new ConfigFileBuilder(path, this);
      if (/\.ya?ml$/.test(path)) parsePolicyYaml(source, builder);
      else parseBusconfig(source, builder);
      return builder.config;
    } finally {
      this.#chain.pop();
    }
  }

  report(diagnostic: Diagnostic): void {
    this.diagnostics.push(diagnostic);
  }

  include(target: BusConfig, path: string, options: IncludeOptions, at: SourcePosition): void {
    const full = this.#resolve(path, options, at);
    if (full === undefined) return;
    if (this.#chain.includes(full)) {
      const loop = new ConfigSyntaxError('circular-include', at, `${full} includes itself`);
      if (!options.ignoreMissing) throw loop;
      return this.#skip(loop);
    }
    if (options.ignoreMissing) this.#includeOptional(target, full, at);
    else appendConfig(target, this.read(full, at));
  }

  includeDirectory(target: BusConfig, path: string, at: SourcePosition): void {
    const directory = posix.resolve(posix.dirname(at.file), path);
    target.directories.push(directory);
    const names = this.io.readDirectory(directory);
    if ('code' in names) {
      if (names.code === 'ENOENT') return;
      const message = `cannot list ${directory}: ${names.code} (${names.message})`;
      return this.#skip(new ConfigSyntaxError('unreadable-directory', at, message));
    }
    const files = names.filter((name) => name.endsWith('.conf')).toSorted(compareBytewise);
    for (const name of files) {
      const full = posix.join(directory, name);
      if (this.#chain.includes(full)) {
        this.#skip(new ConfigSyntaxError('circular-include', at, `${full} includes itself`));
      } else {
        this.#includeListed(target, full, at);
      }
    }
  }

  #resolve(path: string, options: IncludeOptions, at: SourcePosition): string | undefined {
    if (options.ifSelinuxEnabled && this.io.selinuxEnabled !== true) return undefined;
    const root = options.selinuxRootRelative ? this.io.selinuxPolicyRoot : posix.dirname(at.file);
    if (root === undefined) {
      throw new ConfigSyntaxError('include-failed', at, 'the SELinux policy root is not known');
    }
    return posix.resolve(root, path);
  }

  #includeOptional(target: BusConfig, path: string, at: SourcePosition): void {
    const text = this.io.readFile(path);
    if (typeof text !== 'string' && text.code === 'ENOENT') return;
    this.#includeListed(target, path, at);
  }

  /**
   * Includes a file that the bus can do without: whatever is wrong with it, it is only reported.
   */
  #includeListed(target: BusConfig, path: string, at: SourcePosition): void {
    const reported = this.diagnostics.length;
    try {
      appendConfig(target, this.read(path, at));
    } catch (error) {
      if (!(error instanceof ConfigSyntaxError)) throw error;
      // What was said about rules of a file that is skipped as a whole would only mislead.
      this.diagnostics.length = reported;
      this.#skip(error);
      target.files.push(path);
    }
  }

  #skip(error: ConfigSyntaxError): void {
    const { diagnostic } = error;
    const message = `${diagnostic.message}; skipped, nothing of it applies`;
    this.diagnostics.push({ ...diagnostic, message });
  }
}

function unreadable(path: string, failure: IoFailure, from: SourcePosition): ConfigSyntaxError {
  const message = `cannot read ${path}: ${failure.code} (${failure.message})`;
  return new ConfigSyntaxError('unreadable-file', from, message);
}

function compareBytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
