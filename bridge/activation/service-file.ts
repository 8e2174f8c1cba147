import { parseUniqueName, parseWellKnownName } from '#bridge/wire/names.js';
import type { WellKnownName } from '#bridge/wire/names.js';
import type { Diagnostic } from './diagnostic.js';
import { parseDesktopEntry } from './desktop-entry.js';
import type { DesktopSection } from './desktop-entry.js';
import { DRIVER_NAME } from '#bridge/wire/standard-names.js';

/** dbus-daemon refuses larger service files. */
export const SERVICE_FILE_MAX_BYTES = 128 * 1024;

const SECTION = 'D-BUS Service';

/** How a well-known name is activated, as its .service file defines it. */
export interface Service {
  readonly name: WellKnownName;
  /** The command line as written; `parseExecLine` splits it. */
  readonly exec: string;
  readonly user: string | undefined;
  readonly systemdUnit: string | undefined;
  readonly assumedAppArmorLabel: string | undefined;
  /** Where the service is defined: path, and line of the Name key. */
  readonly file: string;
  readonly line: number;
}

export interface ServiceFileResult {
  /** Absent when the file cannot be used; the diagnostics say why. */
  readonly service?: Service;
  readonly diagnostics: readonly Diagnostic[];
}

/** Parses the content of a .service file (D-Bus specification, "Message Bus Starting Services"). */
export function parseServiceFile(file: string, content: Uint8Array): ServiceFileResult {
  const refuse = (line: number, message: string): ServiceFileResult => ({
    diagnostics: [{ severity: 'error', file, line, message: `service file not used: ${message}` }],
  });

  if (content.length > SERVICE_FILE_MAX_BYTES) {
    return refuse(
      0,
      `the file has at least ${content.length} bytes; the limit is ${SERVICE_FILE_MAX_BYTES}`,
    );
  }
  const text = decodeText(content);
  if (text === undefined) return refuse(0, 'not UTF-8 text');
  const { sections, fault } = parseDesktopEntry(text);
  if (fault !== undefined) return refuse(fault.line, fault.message);
  const section = sections.get(SECTION);
  if (section === undefined) return refuse(0, `no [${SECTION}] section`);
  return readSection(file, section, refuse);
}

function readSection(
  file: string,
  section: DesktopSection,
  refuse: (line: number, message: string) => ServiceFileResult,
): ServiceFileResult {
  const nameValue = section.get('Name');
  if (nameValue === undefined) return refuse(0, `no Name key in [${SECTION}]`);
  const { value, line } = nameValue;
  const name = value === DRIVER_NAME ? undefined : parseWellKnownName(value);
  if (name === undefined) return refuse(line, whyNotActivatable(value));
  const exec = section.get('Exec')?.value;
  if (exec === undefined) return refuse(0, `no Exec key in [${SECTION}]`);
  const service: Service = {
    name,
    exec,
    user: section.get('User')?.value,
    systemdUnit: section.get('SystemdService')?.value,
    assumedAppArmorLabel: section.get('AssumedAppArmorLabel')?.value,
    file,
    line,
  };
  return { service, diagnostics: [] };
}

/**
 * dbus-daemon takes any text for a name here and advertises it as activatable, even one that cannot be owned. We do
 * not.
 */
function whyNotActivatable(name: string): string {
  if (name === DRIVER_NAME) return `"${name}" is owned by the bus itself`;
  if (parseUniqueName(name) !== undefined) {
    return `"${name}" is a unique name, which cannot be activated`;
  }
  return `"${name}" is not a valid bus name`;
}

function decodeText(content: Uint8Array): string | undefined {
  if (content.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    return undefined;
  }
}
