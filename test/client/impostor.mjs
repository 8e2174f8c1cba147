// A native peer that misuses its capability to somebody else: `impostor.mjs ADDRESS VICTIM SERVICE DEED`.
import { Calls } from '#bridge/client/calls.js';
import { Control, encode } from '#bridge/registry/control-message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import { join } from '#bridge/client/index.js';

const [address, victim, service, deed] = process.argv.slice(2);
const DRIVER = 'org.freedesktop.DBus';

let calls;
/** where things were sent last; `root` and `registry` are not to be had otherwise */
let target;
let root;
let registry;
const { prototype } = Calls;
const sendControl = Reflect.get(prototype, 'sendControl');
const compose = Reflect.get(prototype, 'compose');
prototype.sendControl = function remember(to, bytes, ...more) {
  if (bytes[0] === Control.Resolve.code) registry = to;
  if (bytes[0] === Control.Admit.code) {
    const copy = this.member.peer.copyHandle(to.use());
    root = { use: () => copy };
  }
  return sendControl.call(this, to, bytes, ...more);
};
prototype.compose = function remember(to, ...more) {
  calls = this;
  target = to;
  return compose.call(this, to, ...more);
};

const bus = await join({ address });
/** The handle behind a name. */
async function held(name) {
  const capability = await bus.resolve(name);
  await capability.call({ interface: 'org.freedesktop.DBus.Peer', member: 'Ping' });
  return [target, capability];
}
const [them, kept] = await held(victim);
const [server, keptToo] = await held(service);
await bus.call({ destination: DRIVER, path: '/', member: 'GetId' });
const driver = target;

/** A call whose last handle, where its answer is to go, leads to the victim. */
function callInTheirName(to, content, flags = 0) {
  const message = calls.message.clear();
  compose.call(calls, to, MessageType.MethodCall, flags, content, to.destination);
  message.addTransfer(them.use());
  calls.transmit(to.use(), message, 'a deed');
}

const control = (to, message, fields, transfers = []) =>
  calls.sendControl(to, encode(message, fields), transfers, null);
const given = { signature: 'su', body: ['org.example.Given', 0] };

const DEEDS = {
  disconnect: () => control(them, Control.Disconnect, { reason: 'go' }),
  welcome: () => control(them, Control.Welcome, { number: 4711 }),
  monitor: () => control(them, Control.BecomeMonitor, {}),
  release: () => control(them, Control.ReleaseName, { isQueued: false, name: victim }),
  nothing: () => calls.sendControl(them, new Uint8Array(0), [], null),
  resolve: () => control(registry, Control.Resolve, { name: service }, [them.use()]),
  unowned: () => control(registry, Control.Resolve, { name: 'a.b' }, [them.use()]),
  admit: () => {
    const transfers = [them.use(), them.use()];
    control(root, Control.Admit, { takesDescriptors: true, credentials: undefined }, transfers);
  },
  ask: () => callInTheirName(driver, { path: '/', interface: DRIVER, member: 'ListNames' }),
  call: () => callInTheirName(server, { path: '/', interface: 'a.b', member: 'Ask' }),
  own: async () => {
    const request = { path: '/', interface: DRIVER, member: 'RequestName', ...given };
    callInTheirName(driver, request, MessageFlag.NoReplyExpected);
    await bus.releaseName('org.example.Given').catch(() => undefined);
  },
  claim: () => control(driver, Control.NameNode, { name: 'org.example.Claimed' }, [them.use()]),
};

await DEEDS[deed]();
/* what was said before this is answered, or its end heard of, has been dealt with */
await bus.call({ destination: DRIVER, path: '/', member: 'GetId' }).catch(() => undefined);
process.send({ name: bus.uniqueName, holds: String(kept.live && keptToo.live) });
