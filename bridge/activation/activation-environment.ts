/** Environment variables of a process, by name. */
export type Environment = Readonly<Record<string, string>>;

export type BusType = 'session' | 'system';

/**
 * Variables with which the service manager describes the bus's own unit (systemd.exec(5)); a service
 * that inherited them would take them for its own.
 */
const ABOUT_THE_BUS_ITSELF = [
  'INVOCATION_ID',
  'JOURNAL_STREAM',
  'LISTEN_FDNAMES',
  'LISTEN_FDS',
  'LISTEN_PID',
  'NOTIFY_SOCKET',
];

/** The environment in which the bus starts services; clients may set and unset its variables. */
export class ActivationEnvironment {
  readonly #variables = new Map<string, string>();

  /** `inherited` is the environment of the bus process. */
  constructor(inherited: Readonly<Record<string, string | undefined>>) {
    for (const [name, value] of Object.entries(inherited)) {
      if (value !== undefined && !ABOUT_THE_BUS_ITSELF.includes(name)) this.set(name, value);
    }
  }

  get(name: string): string | undefined {
    return this.#variables.get(name);
  }

  /** Returns false, and changes nothing, if a process cannot have such a variable. An empty value is a value. */
  set(name: string, value: string): boolean {
    if (!isVariableName(name) || value.includes('\0')) return false;
    this.#variables.set(name, value);
    return true;
  }

  /** Returns whether there was such a variable. */
  unset(name: string): boolean {
    return this.#variables.delete(name);
  }

  /**
   * Sets several variables: the a{ss} of UpdateActivationEnvironment. Returns the names that had to be left out;
   * the others are set.
   */
  update(entries: Iterable<readonly [name: string, value: string]>): string[] {
    const refused: string[] = [];
    for (const [name, value] of entries) {
      if (!this.set(name, value)) refused.push(name);
    }
    return refused;
  }

  /** The environment for a service, with the variables that tell it which bus has started it. */
  forService(busAddress: string, busType: BusType | undefined): Environment {
    return { ...Object.fromEntries(this.#variables), ...starterVariables(busAddress, busType) };
  }
}

/** DBUS_STARTER_* and the address variable of the bus; no client can override these. */
function starterVariables(busAddress: string, busType: BusType | undefined): Environment {
  const starter = { DBUS_STARTER_ADDRESS: busAddress };
  if (busType === undefined) return starter;
  const addressVariable =
    busType === 'session' ? 'DBUS_SESSION_BUS_ADDRESS' : 'DBUS_SYSTEM_BUS_ADDRESS';
  return { ...starter, DBUS_STARTER_BUS_TYPE: busType, [addressVariable]: busAddress };
}

function isVariableName(name: string): boolean {
  return name !== '' && !name.includes('=') && !name.includes('\0');
}
