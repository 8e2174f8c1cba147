import { test, expect } from 'vitest';
import { startBus, sessionConfig } from '../../support/bus.js';
import { RawClient } from '../../support/raw-client.js';
import { MessageType } from '#bridge/wire/types.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { openSync } from 'node:fs';

async function alive(bus: Awaited<ReturnType<typeof startBus>>) {
  let ok = true;
  try { const c = RawClient.open(bus.address); c.callBus('ListNames'); c.close(); } catch (e) { ok = false; console.log(String(e)); }
  await bus.stop();
  if (!ok) console.log(bus.stderr().slice(-1500));
  return ok;
}
test('F8 scratch', async () => {
  const bus = await startBus();
  const c = new RawClient(bus.address);
  try { c.send(Buffer.from('\0' + '\r\n'.repeat(8000))); } catch {}
  expect(await alive(bus)).toBe(true);
});
test('F11 fds', async () => {
  const bus = await startBus({ config: sessionConfig('unix:path=@DIR@/bus', '<limit name="max_message_unix_fds">1000</limit><limit name="max_incoming_unix_fds">1000</limit><limit name="max_outgoing_unix_fds">1000</limit>') });
  const a = RawClient.open(bus.address), b = RawClient.open(bus.address);
  const fd = openSync('/dev/null', 'r');
  const bytes = encodeMessage({ type: MessageType.MethodCall, serial: 77, path: '/', member: 'X', destination: b.uniqueName, unixFds: 300 });
  a.send(bytes.slice(0, 10), Array(200).fill(fd)); a.send(bytes.slice(10), Array(100).fill(fd));
  expect(await alive(bus)).toBe(true);
});
test('F13 monitor', async () => {
  const bus = await startBus();
  const m = RawClient.open(bus.address);
  m.call({ destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus.Monitoring', member: 'BecomeMonitor', signature: 'asu' }, [[], 0]);
  const a = RawClient.open(bus.address), b = RawClient.open(bus.address);
  a.startCall({ destination: b.uniqueName, member: 'X' });
  b.receiveSignal('NameAcquired'); b.receive(m => m.member === 'X');
  b.close();
  try { console.log(a.receive((m) => m.type === MessageType.Error)); } catch (e) { console.log(String(e)); }
  expect(await alive(bus)).toBe(true);
});
test('F5 reload', async () => {
  const bus = await startBus({ config: sessionConfig('unix:path=@DIR@/bus', '<limit name="max_incomplete_connections">2</limit>') });
  const c = [new RawClient(bus.address), new RawClient(bus.address)];
  c[0].close();
  expect(await alive(bus)).toBe(true);
});
