import { auditTime, merge, Subject } from 'rxjs';
import type { Observable, Subscription } from 'rxjs';
import type { Diagnostic } from './diagnostic.js';
import { watchDirectory } from './directory-watch.js';
import type { ServiceDirectory } from './service-directories.js';
import { scanServiceDirectory } from './service-directory-scan.js';
import type { DirectoryScan, ScannedService } from './service-directory-scan.js';
import type { Service } from './service-file.js';
import { EMPTY_TABLE, ServiceTable, stampDirectories } from './service-table.js';
import { ensureTransientDirectory } from './transient-directory.js';

/** How the activatable names differ from before. */
export interface CatalogChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Names whose service has changed. */
  readonly changed: readonly string[];
  /** Diagnostics about the files, each of them once for as long as it stays true. */
  readonly diagnostics: readonly Diagnostic[];
}

/** A package manager writes many files at once; they are read together after this time. */
const SETTLE_MS = 50;

/**
 * The activatable names of a bus and the service files that provide them, kept in step with the
 * disk. The earlier directory wins, and within a directory the file that it lists first, whatever its name: the
 * reference daemon does the same, and two buses side by side have to start the same program.
 */
export class ServiceCatalog {
  #directories: readonly ServiceDirectory[];
  #table = new ServiceTable(EMPTY_TABLE);
  #reported: ReadonlySet<string> = new Set();
  readonly #changes = new Subject<CatalogChange>();
  #watching: Subscription | undefined;

  /** The catalog is empty until `load`. */
  constructor(directories: readonly ServiceDirectory[]) {
    this.#directories = directories;
  }

  /**
   * Changes that were noticed while watching or by `find`; not those that `load` and `reload`
   * return.
   */
  get changes(): Observable<CatalogChange> {
    return this.#changes;
  }

  /** What the directories provided when they were last read. */
  get table(): ServiceTable {
    return this.#table;
  }

  /** Activatable names in alphabetical order. */
  names(): string[] {
    return this.#table.names;
  }

  get(name: string): Service | undefined {
    return this.#table.get(name);
  }

  /**
   * Like `get`, but checks the disk first and reads the directories again if they or the file in question have
   * changed: a file that was installed a moment ago must count. Costs a stat for each directory.
   */
  find(name: string): Service | undefined {
    if (!this.#table.isCurrent(name)) this.#announce(this.load());
    return this.get(name);
  }

  /** Reads all directories. */
  load(): CatalogChange {
    const diagnostics: Diagnostic[] = [];
    const usable = this.#directories.filter((directory) => isUsable(directory, diagnostics));
    const before = this.#table;
    const directories = stampDirectories(this.#directories.map(({ path }) => path));
    const scans = usable.map((directory) => scanServiceDirectory(directory));
    const useless = scans.flatMap((scan) => scan.useless);
    const services = mergeDirectories(scans, diagnostics);
    const after = new ServiceTable({ services, directories, useless });
    this.#table = after;
    return {
      added: after.names.filter((name) => !before.has(name)),
      removed: before.names.filter((name) => !after.has(name)),
      changed: after.names.filter((name) => isChanged(before.get(name), after.get(name))),
      diagnostics: this.#withoutReported(diagnostics),
    };
  }

  /** Reads everything again, from other directories if these are given. */
  reload(directories: readonly ServiceDirectory[] = this.#directories): CatalogChange {
    const wasWatching = this.#watching !== undefined;
    this.unwatch();
    this.#directories = directories;
    if (wasWatching) this.watch();
    return this.load();
  }

  /** Starts to watch the directories. The watches do not keep the process alive. */
  watch(): void {
    const touched = this.#directories
      .filter((directory) => directory.watched)
      .map((directory) => watchDirectory(directory.path));
    this.#watching = merge(...touched)
      .pipe(auditTime(SETTLE_MS))
      .subscribe(() => this.#announce(this.load()));
  }

  unwatch(): void {
    this.#watching?.unsubscribe();
    this.#watching = undefined;
  }

  close(): void {
    this.unwatch();
    this.#changes.complete();
  }

  #withoutReported(diagnostics: readonly Diagnostic[]): Diagnostic[] {
    const known = this.#reported;
    this.#reported = new Set(diagnostics.map((diagnostic) => JSON.stringify(diagnostic)));
    return diagnostics.filter((diagnostic) => !known.has(JSON.stringify(diagnostic)));
  }

  #announce(change: CatalogChange): void {
    const isEmpty = Object.values(change).every((list: readonly unknown[]) => list.length === 0);
    if (!isEmpty) this.#changes.next(change);
  }
}

/** Makes the directory first if it is the bus's own. */
function isUsable(directory: ServiceDirectory, diagnostics: Diagnostic[]): boolean {
  if (!directory.transient) return true;
  const complaint = ensureTransientDirectory(directory.path, process.geteuid?.() ?? 0);
  if (complaint !== undefined) diagnostics.push(complaint);
  return complaint === undefined;
}

function mergeDirectories(
  scans: readonly DirectoryScan[],
  diagnostics: Diagnostic[],
): ScannedService[] {
  const services = new Map<string, ScannedService>();
  for (const scan of scans) {
    diagnostics.push(...scan.diagnostics);
    for (const scanned of scan.services) {
      const winner = services.get(scanned.service.name);
      if (winner === undefined) services.set(scanned.service.name, scanned);
      else diagnostics.push(shadowed(scanned.service, winner.service));
    }
  }
  return [...services.values()];
}

/**
 * No warning, because overriding a vendor's file is the intended way to change a service file.
 */
function shadowed(service: Service, winner: Service): Diagnostic {
  return {
    severity: 'info',
    file: service.file,
    line: service.line,
    message: `not used: ${winner.file} provides "${service.name}" too and takes precedence`,
  };
}

function isChanged(before: Service | undefined, after: Service | undefined): boolean {
  if (before === undefined || after === undefined) return false;
  return JSON.stringify(before) !== JSON.stringify(after);
}
