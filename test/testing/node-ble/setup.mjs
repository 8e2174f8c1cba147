// Where node-ble's tests want a system bus, and hardware: a test bus, and a mock of BlueZ with the device that they ask
// for. It is jest's global set-up; what is put into the environment here reaches all tests.
import { TestBus } from 'bus1-bridge/testing';
import {
  ADAPTER,
  bluezObjects,
  characteristicPath,
  DEVICE,
  DEVICE_ADDRESS,
  notify,
} from './bluez.mjs';

/** test-e2e/e2e.spec.js: one service, a characteristic that echoes, and one that notifies. */
const uuid = (last) => `12345678-1234-5678-1234-56789abcdef${last}`;

export default async function setUp() {
  const testBus = await TestBus.start();
  const bluez = await testBus.mock('org.bluez', bluezObjects([[uuid(0), uuid(1), uuid(2)]]));
  const adapter = bluez.object(ADAPTER);
  adapter.answer('StartDiscovery', () => adapter.set('Discovering', true));
  adapter.answer('StopDiscovery', () => adapter.set('Discovering', false));
  const device = bluez.object(DEVICE);
  device.answer('Connect', () => device.set('Connected', true));
  device.answer('Disconnect', () => device.set('Connected', false));
  const echo = bluez.object(characteristicPath(0, 0));
  echo.answer('ReadValue', () => {
    const [written] = bluez.callsOf('WriteValue').at(-1).args;
    return Buffer.concat([Buffer.from('ECHO>'), written]);
  });
  notify(bluez.object(characteristicPath(0, 1)), Buffer.from('Notification data'));
  testBus.enter();
  process.env.TEST_DEVICE = DEVICE_ADDRESS;
  globalThis.stopTestBus = () => testBus.stop();
}
