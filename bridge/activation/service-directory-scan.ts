import { opendirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Diagnostic } from './diagnostic.js';
import type { ServiceDirectory } from './service-directories.js';
import { parseServiceFile, SERVICE_FILE_MAX_BYTES } from './service-file.js';
import type { Service } from './service-file.js';

export interface ScannedService {
  readonly service: Service;
  /** Differs from `fileStamp` of the same file as soon as the file has been touched. */
  readonly stamp: string;
}

/** A file or directory and its `fileStamp` from before it was read. */
export interface FileStamp {
  readonly path: string;
  readonly stamp: string;
}

export interface DirectoryScan {
  /** In the order in which the directory lists their files. */
  readonly services: readonly ScannedService[];
  /** files without a usable service, with their stamps: one may have been read while it was being written */
  readonly useless: readonly FileStamp[];
  readonly diagnostics: readonly Diagnostic[];
}

const EXTENSION = '.service';

/** Reads every .service file of a directory. A missing directory counts as empty. */
export function scanServiceDirectory(directory: ServiceDirectory): DirectoryScan {
  const services: ScannedService[] = [];
  const useless: FileStamp[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const fileName of listServiceFiles(directory.path, diagnostics)) {
    const file = join(directory.path, fileName);
    const stamp = fileStamp(file);
    const service = readService(file, directory, diagnostics);
    if (service === undefined) useless.push({ path: file, stamp });
    else services.push({ service, stamp });
  }
  return { services, useless, diagnostics };
}

function readService(
  file: string,
  { strictNaming }: ServiceDirectory,
  diagnostics: Diagnostic[],
): Service | undefined {
  const content = readRegularFile(file, diagnostics);
  if (content === undefined) return undefined;
  const { service, diagnostics: found } = parseServiceFile(file, content);
  diagnostics.push(...found);
  const complaint = service && namingComplaint(service, strictNaming);
  if (complaint !== undefined) diagnostics.push(complaint);
  return complaint === undefined ? service : undefined;
}

/** Identifies the version of a file or directory; empty when it does not exist. */
export function fileStamp(path: string): string {
  try {
    const status = statSync(path, { bigint: true });
    return `${status.dev}:${status.ino}:${status.mtimeNs}:${status.size}`;
  } catch {
    return '';
  }
}

/**
 * File times have a granularity (4 ms at HZ=250): a file that changed a moment ago can change again and keep its
 * time. Such a recent stamp never compares equal, so that the file is read again.
 */
const TICKS_MS = 50;

export function settledStamp(path: string): string {
  const stamp = fileStamp(path);
  if (stamp === '') return stamp;
  const { mtimeMs = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
  const ageMs = Date.now() - mtimeMs;
  return ageMs < TICKS_MS ? `${stamp}:unsettled` : stamp;
}

/** File names in the order of readdir(3), which decides between files for one name; `readdirSync` sorts. */
function entriesOf(path: string): string[] {
  const directory = opendirSync(path);
  const names: string[] = [];
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync())
      names.push(entry.name);
  } finally {
    directory.closeSync();
  }
  return names;
}

function listServiceFiles(path: string, diagnostics: Diagnostic[]): string[] {
  try {
    return entriesOf(path).filter((name) => name.endsWith(EXTENSION));
  } catch (error) {
    if (!isAbsence(error)) diagnostics.push(unreadable(path, error));
    return [];
  }
}

/** Reads nothing but regular files: opening a FIFO would block the bus. */
function readRegularFile(file: string, diagnostics: Diagnostic[]): Uint8Array | undefined {
  try {
    const status = statSync(file);
    if (!status.isFile()) throw new Error('not a regular file');
    // `parseServiceFile` refuses content of this length, so the file itself need not be read.
    if (status.size > SERVICE_FILE_MAX_BYTES) return new Uint8Array(SERVICE_FILE_MAX_BYTES + 1);
    return readFileSync(file);
  } catch (error) {
    diagnostics.push(unreadable(file, error));
    return undefined;
  }
}

function namingComplaint(service: Service, strict: boolean): Diagnostic | undefined {
  const expected = service.name + EXTENSION;
  if (!strict || basename(service.file) === expected) return undefined;
  return {
    severity: 'error',
    file: service.file,
    line: service.line,
    message: `service file not used: in this directory it must be called "${expected}"`,
  };
}

function unreadable(file: string, error: unknown): Diagnostic {
  const reason = error instanceof Error ? error.message : String(error);
  return { severity: 'error', file, line: 0, message: `cannot be read: ${reason}` };
}

function isAbsence(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR'].includes(String(error.code))
  );
}
