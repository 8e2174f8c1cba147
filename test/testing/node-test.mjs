// A test suite as a user of node:test writes it; test-bus.test.ts runs it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { TestBus } from 'bus1-bridge/testing';

const Clock = {
  name: 'org.example.Clock',
  methods: { Now: { in: '', out: 't' } },
  signals: {},
  properties: {},
};

let testBus;
let clock;

before(async () => {
  testBus = await TestBus.start();
  clock = await testBus.mock('org.example.Clock', {
    '/': { interfaces: [Clock], methods: { Now: 5n } },
  });
});
after(() => testBus.stop());

void test('the clock is asked once', async () => {
  const bus = await testBus.connect();
  assert.equal(await bus.proxy(Clock, 'org.example.Clock', '/').methods.Now(), 5n);
  assert.equal(clock.callsOf('Now').length, 1);
});

void test('a clock that has stopped', async () => {
  const bus = await testBus.connect();
  clock.object('/').answer('Now', 0n);
  assert.equal(await bus.proxy(Clock, 'org.example.Clock', '/').methods.Now(), 0n);
});
