import { LocalDomain, Message, ResourceUser, ReceivedType, NewNode, SendStatus } from '#core/index.js';
import { Authority, SharedDomain } from '#core/shared/index.js';
import { socketPair } from '#core/linux/index.js';
import { spawn } from 'node:child_process';
const maxima = { objects: 1e6, bytes: 2 ** 30, descriptors: 1000 };
const path = '/tmp/shared-scratch/sock';
const mode = process.argv[2];
const N = Number(process.env.N ?? 100000);
if (mode === 'client') {
  const local = new LocalDomain();
  const domain = SharedDomain.join(path, { local, maxima, onDiagnostic: console.error });
  console.error('ready', domain.awaitReady(5000), domain.id);
  const peer = local.openPeer({ user: new ResourceUser(1000, maxima) });
  const root = domain.copyRoot(peer);
  const m = new Message();
  const run = (size, n, outstanding) => {
    const bytes = new Uint8Array(size);
    const lat = new Float64Array(n);
    let sent = 0, got = 0;
    const send = () => { m.clear(); m.addPiece(bytes, 0, size); m.newNode = NewNode.OneShot; lat[sent % n] = performance.now(); const s = peer.send(root, m); if (s !== SendStatus.Sent) throw new Error('send ' + s + ' ' + sent); sent++; };
    const t0 = performance.now();
    while (got < n) {
      while (sent < n && sent - got < outstanding) send();
      if (domain.wait(5000) === 0) throw new Error('timeout at ' + got + ' ' + JSON.stringify(domain.counters));
      for (let e = peer.receive(); e !== undefined; e = peer.receive()) { if (e.type !== 0) throw new Error('type ' + e.type); lat[got] = performance.now() - lat[got]; got++; }
    }
    const t = performance.now() - t0;
    lat.sort();
    console.log(`size ${size} out ${outstanding}: p50 ${(lat[n >> 1] * 1e3).toFixed(1)} us p99 ${(lat[n * .99 | 0] * 1e3).toFixed(1)} us, ${(n / t).toFixed(1)} k/s`);
  };
  run(32, N >> 2, 1); run(32, N, 1); run(200, N, 1); run(32, N * 5, 64); run(200, N*2, 64); run(65536 * 2, 2000, 1); run(1 << 20, 1000, 1);
  console.error(domain.counts(), domain.counters, local.counters);
  peer.close();
  domain.close();
} else {
  const local = new LocalDomain();
  const service = local.openPeer({ user: new ResourceUser(1000, maxima) });
  const { node, handle } = service.createNode();
  const authority = new Authority({ onDiagnostic: console.error });
  authority.listen(path);
  const [a, b] = socketPair();
  authority.admit(a, true);
  const domain = SharedDomain.join(b, { local, maxima, root: handle, onDiagnostic: console.error });
  authority.dispatch(); domain.dispatch();
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1], 'client'], { stdio: 'inherit' });
  let done = false; child.on('exit', () => { done = true; });
  const m = new Message();
  const serve = () => { for (let e = service.receive(); e !== undefined; e = service.receive()) if (e.type === 0) { m.clear(); m.addPiece(e.bytes, 0, e.bytes.length); service.send(e.handles[0], m); } };
  // introduction phase
  while (!done && domain.counters.channels === 0) { authority.dispatch(); domain.dispatch(); await new Promise((r) => setTimeout(r, 1)); }
  for (let i = 0; i < 5; i++) { authority.dispatch(); domain.dispatch(); await new Promise((r) => setTimeout(r, 5)); }
  while (domain.counters.channels > 0) { if (process.env.ASYNC) await new Promise(setImmediate); else domain.wait(1000); serve(); }
  while (!done) { authority.dispatch(); domain.dispatch(); await new Promise((r) => setTimeout(r, 10)); }
  console.error(domain.counts(), domain.counters, local.counters);
  service.release(handle); 
  domain.close(); authority.close();
}
