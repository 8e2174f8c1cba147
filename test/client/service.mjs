// A native service: `service.mjs alone PATH`, or `domain` or `socket`, and then `ADDRESS NAME…`.
// `block`.
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { DBusError, Domain, implement, join } from 'bus1-bridge';
import { Listener, PATH, Service } from './service-description.mjs';

const [kind, address, ...names] = process.argv.slice(2);
const onDiagnostic = (text) => process.send({ diagnostic: text });

const notes = [];
const made = [];
let kept;
let forget;
let losses = 0;
let level = 1;
let cache = 'cold';
const aborted = [];
const abortWaiters = [];

const listenerCall = (text) => ({
  interface: Listener.name,
  member: 'Echo',
  signature: 's',
  body: [text],
});

const methods = {
  Echo: (text) => text,
  Bytes: (bytes) => bytes,
  Variant: (value) => value,
  Pair: (text, number) => [number, text],
  Later: async (text) => {
    await new Promise((resolve) => setImmediate(resolve));
    return text;
  },
  Wrong: () => 'no number',
  Fail(name, text) {
    throw new DBusError(name, text);
  },
  Crash() {
    throw new RangeError('a mistake in the service');
  },
  Die: () => process.exit(1),
  Sender: (call) => call.sender ?? '',
  Process: (call) => [call.process.pid, call.process.uid],
  Hang({ signal }) {
    const note = () => {
      aborted.push(signal.reason.message);
      abortWaiters.shift()?.(aborted.shift());
    };
    if (signal.aborted) note();
    else signal.addEventListener('abort', note);
    return new Promise(() => {});
  },
  WhenAborted: () =>
    aborted.length > 0 ? aborted.shift() : new Promise((resolve) => abortWaiters.push(resolve)),
  Note: (text) => void notes.push(text),
  Notes: () => notes.splice(0),
  Keep(capability) {
    kept = capability;
    forget = kept.onRelease(() => losses++);
  },
  CallKept: async (text) => (await kept.call(listenerCall(text))).body[0],
  CallKeptSync: (text) => kept.callSync(listenerCall(text)).body[0],
  ReturnKept: () => kept,
  DropKept() {
    kept = undefined;
    forget(); // as long as somebody listens, a capability is kept
  },
  WhenKeptIsLost: () =>
    kept.live
      ? new Promise((resolve) => kept.onRelease(() => setImmediate(() => resolve(losses))))
      : losses,
  Nested: (entries) => [...entries.values()].flatMap(([first, { value }]) => [first, value]),
  Make(name) {
    const object = home.export(
      implement(Listener, { methods: { Echo: (text) => `${name}: ${String(text)}` } }),
    );
    made.push(object);
    return object;
  },
  End: () => made.splice(0).forEach((object) => home.unexport(object)),
  EmitMade: (text) => home.objectOf(made.at(-1)).emitter(Listener).Heard(text),
  Read(fd) {
    const text = readFileSync(fd, 'utf8');
    closeSync(fd);
    return text;
  },
  Open: (path, call) => call.giveAway(openSync(path)),
  OpenDescriptors: () => readdirSync('/proc/self/fd').length,
  SignalKept: (text) =>
    void kept.signal({
      path: PATH,
      interface: Service.name,
      member: 'Said',
      signature: 's',
      body: [text],
    }),
  Emit: (text) => void object.emitter(Service).Said(text),
  RequestName: (name, waits) => home.requestName(name, { doNotQueue: !waits }),
  Offer: (name) => home.requestName(name, { allowReplacement: true }),
  ReleaseName: (name) => home.releaseName(name),
  CollectGarbage: async () => {
    for (let i = 0; i < 4; i++) {
      globalThis.gc();
      await new Promise((resolve) => setImmediate(resolve));
    }
  },
};

const properties = {
  Level: { get: () => level, set: (value) => void (level = value) },
  Title: { get: async () => 'a service' },
  Secret: { set: (value) => void notes.push(value) },
  Cache: { get: () => cache, set: (value) => void (cache = value) },
};

const served = implement(Service, { methods, properties });
let home;
let object;
if (kind === 'alone') {
  home = await Domain.create(address, served, { onDiagnostic });
} else {
  home = await join({ address, transport: kind, onDiagnostic });
  object = home.serve(PATH, served);
  for (const name of names) await home.requestName(name);
}
process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  if (message === 'block') for (;;) home.wait(-1);
});
process.send({ name: home.uniqueName });
