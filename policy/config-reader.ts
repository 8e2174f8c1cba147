import { posix } from 'node:path';
import { parseBusconfig } from './busconfig-parser.js';
import { ConfigFileBuilder } from './config-builder.js';
import type { IncludeOptions, Includer } from './config-builder.js';
import { appendConfig } from './config.js';
import type { BusConfig } from './config.js';
import { ConfigSyntaxError, SourceText, UnusableFile, diagnosticAt } from './diagnostic.js';
import type { Diagnostic, SourcePosition } from './diagnostic.js';
import type { IoFailure, PolicyIo } from './io.js';
import { parsePolicyYaml } from './yaml.js';

/** A configuration, or why there is none: errors in the main file, or in a file that it cannot do without. */
export type ConfigResult =
  | { readonly ok: true; readonly config: BusConfig; readonly diagnostics: readonly Diagnostic[] }
  | {
      readonly ok: false;
      /** The first of `errors`. */
      readonly error: Diagnostic;
      /** Why there is no configuration. */
      readonly errors: readonly Diagnostic[];
      /** All other diagnostics until then. */
      readonly diagnostics: readonly Diagnostic[];
    };

/**
 * Reads a configuration and everything it includes; `.yaml` and `.yml` are policy YAML, all else is
 * busconfig XML. A file applies as a whole or not at all. One in an <includedir> or an
 * <include ignore_missing="yes"> in which something is wrong is reported and contributes nothing; the
 * same in the main file, or in a plain <include>, is the error of the result. As in dbus-daemon, and
 * for the reasons in docs/decisions.
 */
export function readConfig(path: string, io: PolicyIo): ConfigResult {
  const reader = new ConfigReader(io);
  try {
    const config = reader.read(path, { file: path, line: 1, column: 1 });
    return { ok: true, config, diagnostics: reader.diagnostics };
  } catch (error) {
    if (!(error instanceof UnusableFile)) throw error;
    const { errors } = error;
    return { ok: false, error: errors[0], errors, diagnostics: reader.diagnostics };
  }
}

/** No real configuration has that many; files that include each other twice do, at 2 to the power of their number. */
const FILES_MAX = 20_000;

class ConfigReader implements Includer {
  readonly diagnostics: Diagnostic[] = [];
  readonly io: PolicyIo;
  /** The files being read, outermost first. */
  readonly #chain: string[] = [];
  #filesRead = 0;

  constructor(io: PolicyIo) {
    this.io = io;
  }

  /** Reads one file; `from` is the place that refers to it. Throws UnusableFile. */
  read(path: string, from: SourcePosition): BusConfig {
    const text = this.io.readFile(path);
    if (typeof text !== 'string') throw new UnusableFile([unreadable(path, text, from)]);
    this.#filesRead++;
    if (this.#filesRead > FILES_MAX) {
      const message = `more than ${FILES_MAX} files are included`;
      throw new UnusableFile([diagnosticAt('error', 'include-failed', from, message)]);
    }
    const builder = new ConfigFileBuilder(path, this);
    this.#chain.push(path);
    try {
      const source = new SourceText(path, text);
      if (/\.ya?ml$/.test(path)) parsePolicyYaml(source, builder);
      else parseBusconfig(source, builder);
    } catch (error) {
      if (error instanceof UnusableFile) builder.errors.push(...error.errors);
      else if (error instanceof ConfigSyntaxError) builder.errors.push(error.diagnostic);
      else throw error;
    } finally {
      this.#chain.pop();
    }
    const [error, ...others] = builder.errors;
    if (error !== undefined) throw new UnusableFile([error, ...others]);
    return builder.config;
  }

  report(diagnostic: Diagnostic): void {
    this.diagnostics.push(diagnostic);
  }

  include(target: BusConfig, path: string, options: IncludeOptions, at: SourcePosition): void {
    const full = this.#resolve(path, options, at);
    if (full === undefined) return;
    if (this.#chain.includes(full)) {
      const loop = diagnosticAt('error', 'circular-include', at, `${full} includes itself`);
      if (!options.ignoreMissing) throw new UnusableFile([loop]);
      return this.#skip([loop]);
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
      return this.#skip([diagnosticAt('error', 'unreadable-directory', at, message)]);
    }
    const files = names.filter((name) => name.endsWith('.conf')).toSorted(compareBytewise);
    for (const name of files) {
      const full = posix.join(directory, name);
      if (this.#chain.includes(full)) {
        this.#skip([diagnosticAt('error', 'circular-include', at, `${full} includes itself`)]);
      } else {
        this.#includeListed(target, full, at);
      }
    }
  }

  #resolve(path: string, options: IncludeOptions, at: SourcePosition): string | undefined {
    if (options.ifSelinuxEnabled && this.io.selinuxEnabled !== true) return undefined;
    const root = options.selinuxRootRelative ? this.io.selinuxPolicyRoot : posix.dirname(at.file);
    if (root === undefined) {
      if (options.ignoreMissing) return undefined;
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
   * Includes a file that the bus can do without: errors in it are only reported.
   */
  #includeListed(target: BusConfig, path: string, at: SourcePosition): void {
    const reported = this.diagnostics.length;
    try {
      appendConfig(target, this.read(path, at));
    } catch (error) {
      if (!(error instanceof UnusableFile)) throw error;
      // Diagnostics about files that this one includes would only mislead.
      this.diagnostics.length = reported;
      this.#skip(error.errors);
      target.files.push(path);
    }
  }

  #skip(errors: readonly Diagnostic[]): void {
    for (const error of errors) {
      const message = `${error.message}; skipped as a whole`;
      this.diagnostics.push({ ...error, message });
    }
  }
}

function unreadable(path: string, failure: IoFailure, from: SourcePosition): Diagnostic {
  const message = `cannot read ${path}: ${failure.code} (${failure.message})`;
  return { ...diagnosticAt('error', 'unreadable-file', from, message), errno: failure.code };
}

function compareBytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
