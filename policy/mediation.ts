import type { BusConfig } from './config.js';
import { diagnosticAt, type Diagnostic } from './diagnostic.js';

/**
 * Diagnostics about settings for AppArmor and SELinux, which this bus does not consult. Required mediation is an error
 * that keeps a bus from starting, as in a dbus-daemon on a kernel without AppArmor; all else is a warning.
 */
export function mediationDiagnostics(config: BusConfig): Diagnostic[] {
  const { appArmorMode, selinuxAssociations, files } = config;
  const at = { file: files[0] ?? '', line: 1, column: 1 };
  const found: Diagnostic[] = [];
  if (appArmorMode === 'required') {
    const message = 'AppArmor mediation is required, and this bus has none; do not use it here';
    found.push(diagnosticAt('error', 'no-mediation', at, message));
  }
  if (appArmorMode === 'enabled') {
    const message =
      'AppArmor does not mediate on this bus; set mode="disabled" if that is acceptable';
    found.push(diagnosticAt('warning', 'no-mediation', at, message));
  }
  for (const association of selinuxAssociations) {
    const message = `SELinux does not mediate on this bus: "${association.own}" has no context`;
    found.push(diagnosticAt('warning', 'no-mediation', association, message));
  }
  return found;
}
