import { test } from 'vitest';
import { Caller, Service } from '/work/main/test/core/shared/service.js';
test('x', async () => {
  const service = new Service();
  const c = await Caller.start(service);
  const p = c.call(5);
  for (let i = 0; i < 4; i++) { await new Promise(r => setTimeout(r, 300)); console.log(service.domain.counters, service.diagnostics, service.notifications, service.local.counters); }
  console.log((service.domain as any).connections[0]?.channel.page.sleepWord);
}, 5000);
