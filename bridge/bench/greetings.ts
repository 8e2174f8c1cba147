import { closeFd, connectUnix, getuid, NativeMemory, setNonBlocking } from '#core/linux/index.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';

import { BlockingConnection } from './blocking-connection.js';
import { latencyFigures, type Measured, type Row } from './figures.js';
import { BENCH_INTERFACE, BENCH_PATH, serviceName } from './names.js';
import { timeEach } from './timing.js';

/** Where bytes lie in memory that is sent. */
interface Piece {
  readonly start: number;
  readonly lengthBytes: number;
}

/** Authentication, Hello and its answer, NameAcquired. */
const GREETING_MESSAGES = 3;
const CALL_MESSAGES = 2;

/** New connections, one after the other: how long until Hello, or a first call to a service, has been answered. */
export class Greetings {
  readonly #path: string;
  readonly #memory = NativeMemory.map(4096);
  readonly #connection = BlockingConnection.unconnected();
  /** where each piece that is sent ends */
  #end = 0;
  readonly #authentication: Piece;
  readonly #hello: Piece;
  readonly #firstCall: Piece;

  constructor(path: string) {
    this.#path = path;
    const uid = Buffer.from(String(getuid())).toString('hex');
    this.#authentication = this.#add(Buffer.from(`\0AUTH EXTERNAL ${uid}\r\n`));
    this.#hello = this.#add(Buffer.concat([Buffer.from('BEGIN\r\n'), HELLO]));
    this.#firstCall = this.#add(FIRST_CALL);
  }

  measure(row: Row, durationMs: number): Measured {
    const isCalling = row === 'first-call';
    const sorted = timeEach(durationMs, () => this.#greet(isCalling));
    return latencyFigures(row, sorted, GREETING_MESSAGES + (isCalling ? CALL_MESSAGES : 0));
  }

  #greet(isCalling: boolean): void {
    const fd = connectUnix(this.#path);
    setNonBlocking(fd, false);
    const connection = this.#connection;
    connection.attach(fd);
    this.#send(this.#authentication);
    connection.skipLine();
    this.#send(this.#hello);
    connection.awaitReturn();
    if (isCalling) {
      this.#send(this.#firstCall);
      connection.awaitReturn();
    }
    closeFd(fd);
  }

  #add(bytes: Uint8Array): Piece {
    const start = this.#end;
    this.#memory.bytes.set(bytes, start);
    this.#end += bytes.length;
    return { start, lengthBytes: bytes.length };
  }

  #send({ start, lengthBytes }: Piece): void {
    this.#connection.sendAll(this.#memory.address + start, lengthBytes);
  }
}

const BUS = 'org.freedesktop.DBus';

const HELLO = encodeMessage({
  type: MessageType.MethodCall,
  serial: 1,
  path: '/org/freedesktop/DBus',
  interface: BUS,
  member: 'Hello',
  destination: BUS,
});

const FIRST_CALL = encodeMessage(
  {
    type: MessageType.MethodCall,
    serial: 2,
    path: BENCH_PATH,
    interface: BENCH_INTERFACE,
    member: 'Echo',
    destination: serviceName(0),
    signature: 'ay',
  },
  [new Uint8Array(32)],
);
