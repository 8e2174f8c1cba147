import { readFileSync } from 'node:fs';
import { randomBytes } from '#core/linux/index.js';

/** machine-id(5), and where D-Bus had it before. */
const FILES = ['/etc/machine-id', '/var/lib/dbus/machine-id'];

/** 32 hexadecimal digits; undefined if this machine has no identity. */
export function readMachineId(files: readonly string[] = FILES): string | undefined {
  for (const file of files) {
    try {
      const text = readFileSync(file, 'latin1').trim();
      if (/^[0-9a-f]{32}$/.test(text)) return text;
    } catch {
      // The next file may be there.
    }
  }
  return undefined;
}

/** A new identity for a bus or a machine (D-Bus specification, "UUIDs"). */
export function newUuid(): string {
  return randomBytes(16).toString('hex');
}
