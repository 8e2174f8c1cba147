import { fileStamp, settledStamp } from './service-directory-scan.js';
import type { FileStamp, ScannedService } from './service-directory-scan.js';
import type { Service } from './service-file.js';

/** The activatable names, with the stamps of what was read; plain data, which can be sent to another thread. */
export interface ServiceTableData {
  readonly services: readonly ScannedService[];
  readonly directories: readonly FileStamp[];
  /** files without a usable service */
  readonly useless: readonly FileStamp[];
}

export const EMPTY_TABLE: ServiceTableData = { services: [], directories: [], useless: [] };

export function stampDirectories(paths: readonly string[]): FileStamp[] {
  return paths.map((path) => ({ path, stamp: settledStamp(path) }));
}

/** The services that the directories provided when they were read. */
export class ServiceTable {
  readonly data: ServiceTableData;
  readonly #byName: ReadonlyMap<string, ScannedService>;

  constructor(data: ServiceTableData) {
    this.data = data;
    this.#byName = new Map(data.services.map((scanned) => [scanned.service.name, scanned]));
  }

  /** In alphabetical order. */
  get names(): string[] {
    return [...this.#byName.keys()].toSorted();
  }

  get(name: string): Service | undefined {
    return this.#byName.get(name)?.service;
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /**
   * Checks on disk whether the entry for one name is still current: its own file is unchanged or, for a name
   * without one, the directories and the files that provided nothing are. Costs a stat for each.
   */
  isCurrent(name: string): boolean {
    const known = this.#byName.get(name);
    if (known !== undefined) return fileStamp(known.service.file) === known.stamp;
    const { directories, useless } = this.data;
    return [directories, useless].every((all) =>
      all.every(({ path, stamp }) => fileStamp(path) === stamp),
    );
  }

  /** Whether the two provide the same names in the same way. */
  hasSameServices(other: ServiceTable): boolean {
    return this.#summary() === other.#summary();
  }

  #summary(): string {
    return JSON.stringify(this.names.map((name) => this.get(name)));
  }
}
