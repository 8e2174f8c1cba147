import { PYTHON, needs, needsPythonModule } from '../support/software.js';

export const ROOT_UID = 0;

/** A service of the system bus, which can be started without anything else but its bus. */
export interface SystemService {
  name: string;
  command: readonly string[];
  /** A call: object, interface, method, arguments. */
  call: readonly string[];
  /** What busctl(1) prints of its reply. */
  reply: RegExp;
}

export const POLKIT: SystemService = {
  name: 'org.freedesktop.PolicyKit1',
  command: ['/usr/lib/polkit-1/polkitd', '--no-debug'],
  call: [
    '/org/freedesktop/PolicyKit1/Authority',
    'org.freedesktop.PolicyKit1.Authority',
    'EnumerateActions',
    's',
    'C',
  ],
  reply: /^a\(ssssssuuua\{ss\}\) [1-9]\d* "/,
};
export const LOGIND: SystemService = {
  name: 'org.freedesktop.login1',
  command: [PYTHON, '-m', 'dbusmock', '--system', '--template', 'logind'],
  call: ['/org/freedesktop/login1', 'org.freedesktop.login1.Manager', 'ListSeats'],
  reply: /^a\(so\) 0$/m,
};
export const ACCOUNTS: SystemService = {
  name: 'org.freedesktop.Accounts',
  command: ['/usr/libexec/accounts-daemon'],
  call: [
    '/org/freedesktop/Accounts',
    'org.freedesktop.Accounts',
    'FindUserById',
    'x',
    String(ROOT_UID),
  ],
  reply: /^o "\/org\/freedesktop\/Accounts\/User0"$/m,
};
export const UPOWER: SystemService = {
  name: 'org.freedesktop.UPower',
  command: ['/usr/libexec/upowerd'],
  call: ['/org/freedesktop/UPower', 'org.freedesktop.UPower', 'EnumerateDevices'],
  reply: /^ao \d/,
};
/** In the order of their start: accounts-daemon asks polkitd, upowerd asks logind. */
export const SERVICES = [POLKIT, LOGIND, ACCOUNTS, UPOWER];

export const SERVICE_SOFTWARE = [
  needs(PYTHON, 'python3'),
  needsPythonModule('dbusmock', 'python3-dbusmock'),
  needs(POLKIT.command[0], 'polkitd'),
  needs(ACCOUNTS.command[0], 'accountsservice'),
  needs(UPOWER.command[0], 'upower'),
];
