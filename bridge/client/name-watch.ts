import { readCredentials } from '#bridge/wire/connection-credentials.js';
import type { Bus } from './bus.js';
import { valuesIn, type NamedCall } from './method-call.js';
import { DRIVER_NAME, DRIVER_PATH } from './driver-client.js';
import { DBusError, ErrorName, TimeoutError } from './errors.js';
import type { CallOptions } from './interface-description.js';
import { Stream } from './stream.js';

/** Credentials of a name's owner: D-Bus Specification, "org.freedesktop.DBus.GetConnectionCredentials". */
export interface Credentials {
  readonly pid: number | undefined;
  readonly uid: number | undefined;
  readonly gids: readonly number[] | undefined;
  readonly securityLabel: string | undefined;
  /** all that the bus reports, by its own keys; an open `ProcessFD` is the caller's to close */
  readonly all: ReadonlyMap<string, unknown>;
}

function question(member: string, name: string, options: CallOptions = {}): NamedCall {
  const to = { destination: DRIVER_NAME, path: DRIVER_PATH, interface: DRIVER_NAME };
  return { ...to, member, signature: 's', body: [name], ...options };
}

async function ownerOf(bus: Bus, name: string): Promise<string | undefined> {
  try {
    return String((await bus.call(question('GetNameOwner', name))).body[0]);
  } catch (error) {
    if (error instanceof DBusError && error.name === ErrorName.NameHasNoOwner) return undefined;
    throw error;
  }
}

/** The owner now, and each later one. A change that overtakes the first reply carries the previous owner as well. */
export function watchName(bus: Bus, name: string): Stream<string | undefined> {
  const rule = {
    sender: DRIVER_NAME,
    interface: DRIVER_NAME,
    member: 'NameOwnerChanged',
    args: { 0: name },
  };
  return new Stream<string | undefined>(
    (observer) => {
      let last: string | undefined | null = null; // null: no owner has been reported yet
      const tell = (owner: string | undefined): void => {
        if (owner !== last) observer.next((last = owner));
      };
      const ownerIn = (value: unknown): string | undefined =>
        value === '' ? undefined : String(value);
      const subscription = bus.signals(rule).subscribe({
        next: ({ body }) => {
          if (last === null) tell(ownerIn(body[1]));
          tell(ownerIn(body[2]));
        },
        error: (error) => observer.error(error),
        complete: () => observer.complete(),
      });
      ownerOf(bus, name).then(
        (owner) => last === null && tell(owner),
        (error) => observer.error(error),
      );
      return subscription;
    },
    undefined,
    () => bus.settled(),
  );
}

export function waitForName(
  bus: Bus,
  name: string,
  { timeoutMs, signal }: CallOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    let timer: NodeJS.Timeout | undefined;
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      subscription.unsubscribe();
    };
    const fail = (error: unknown): void => {
      end();
      reject(error);
    };
    const onAbort = (): void => fail(signal?.reason);
    const subscription = watchName(bus, name).subscribe({
      next: (owner) => {
        if (owner === undefined) return;
        end();
        resolve(owner);
      },
      error: fail,
    });
    signal?.addEventListener('abort', onAbort);
    if (timeoutMs === undefined) return;
    timer = setTimeout(
      () => fail(new TimeoutError(`the request for an owner of ${name}`, timeoutMs)),
      timeoutMs,
    );
  });
}

export async function credentialsOf(
  bus: Bus,
  name: string,
  options: CallOptions,
): Promise<Credentials> {
  const reply = await bus.call(question('GetConnectionCredentials', name, options));
  const [said] = valuesIn(reply, 'a{sv}');
  const { pid, uid, groups, securityLabel } = readCredentials(said);
  return {
    pid,
    uid,
    gids: groups,
    securityLabel: securityLabel && Buffer.from(securityLabel).toString('latin1'),
    all: new Map(Array.from(said, ([key, { value }]) => [key, value])),
  };
}
