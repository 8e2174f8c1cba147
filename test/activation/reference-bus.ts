import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dbus from 'dbus-next';
import type { MessageBus } from 'dbus-next';
import { callBus, connect } from '../support/names.js';

export const DBUS_DAEMON = '/usr/bin/dbus-daemon';
export const hasReferenceBus = existsSync(DBUS_DAEMON);

export interface ReferenceBus {
  readonly address: string;
  /** A directory of this bus alone, removed by stop(). */
  readonly directory: string;
  stop(): Promise<void>;
}

export interface ReferenceBusOptions {
  /** Elements to add to a configuration that allows everything. */
  readonly elements?: string;
  readonly environment?: Record<string, string>;
  readonly directory?: string;
}

/**
 * Starts dbus-daemon in a directory of its own, so that what it does can be compared with what we
 * do.
 */
export async function startReferenceBus(options: ReferenceBusOptions = {}): Promise<ReferenceBus> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'reference-bus-'));
  const configFile = join(directory, 'bus.conf');
  writeFileSync(
    configFile,
    `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
       "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
     <busconfig>
       <type>session</type>
       <listen>unix:path=${directory}/bus</listen>
       <policy context="default">
         <allow send_destination="*" eavesdrop="true"/>
         <allow eavesdrop="true"/>
         <allow own="*"/>
       </policy>
       ${options.elements ?? ''}
     </busconfig>`,
  );
  const daemon = spawn(
    DBUS_DAEMON,
    [`--config-file=${configFile}`, '--nofork', '--print-address=1', '--nosyslog'],
    { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, ...options.environment } },
  );
  const [line] = await once(daemon.stdout, 'data');
  return {
    address: String(line).trim(),
    directory,
    async stop() {
      const gone = once(daemon, 'exit');
      daemon.kill('SIGTERM');
      await gone;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface StartOutcome {
  /** 1 or 2 as in the reply of StartServiceByName; 0 for an error. */
  readonly reply: number;
  readonly errorName: string;
  readonly message: string;
}

/** A client that asks a bus for services and keeps what the bus says. */
export class ServiceStarter {
  readonly #bus: MessageBus;

  private constructor(bus: MessageBus) {
    this.#bus = bus;
  }

  static async connect(address: string): Promise<ServiceStarter> {
    return new ServiceStarter(await connect(address));
  }

  async start(name: string): Promise<StartOutcome> {
    try {
      const answer = await this.#ask('StartServiceByName', 'su', [name, 0]);
      return { reply: answer, errorName: '', message: '' };
    } catch (error) {
      if (!(error instanceof dbus.DBusError)) throw error;
      return { reply: 0, errorName: error.type, message: error.text };
    }
  }

  activatableNames(): Promise<string[]> {
    return this.#ask('ListActivatableNames', '', []);
  }

  async #ask(member: string, signature: string, body: unknown[]) {
    const [answer] = await callBus(this.#bus, member, signature, body);
    return answer;
  }

  disconnect(): void {
    this.#bus.disconnect();
  }
}
