import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Trace } from '#core/quota.js';
import { Caller, Service } from './service.js';

const CALLS = 50;

let service: Service;
let caller: Caller;

beforeEach(async () => {
  service = new Service();
  caller = await Caller.start(service);
});

afterEach(async () => {
  await caller.end();
  service.close();
});

/** Others take all that the service's user has to give: their traces, with one object each. */
function takeAllObjects(): Trace[] {
  const traces: Trace[] = [];
  for (;;) {
    const trace = service.user.claim(service.user.uid).trace();
    if (!trace.charge(1, 0, 0)) return traces;
    traces.push(trace);
  }
}

test('who was refused because others had taken everything is told when they have given it back', async () => {
  await caller.call(1);
  const traces = takeAllObjects();
  service.domain.flush();
  for (const trace of traces) trace.discharge(1, 0, 0);
  // Not told now: the caller has not read yet that there was nothing left. That it reads before it calls.
  service.domain.flush();
  expect(await caller.call(CALLS)).toEqual({ answered: CALLS, lost: false });
});
