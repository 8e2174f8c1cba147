// BlueZ with one device, as a mock: what node-ble asks of it.

export const ADAPTER = '/org/bluez/hci0';
export const DEVICE = `${ADAPTER}/dev_00_11_22_33_44_55`;
export const DEVICE_ADDRESS = '00:11:22:33:44:55';

const quiet = { in: '', out: '' };
const readable = (type) => ({ type, access: 'read' });
const described = (name, more) => ({ name, methods: {}, signals: {}, properties: {}, ...more });

const adapter = described('org.bluez.Adapter1', {
  methods: {
    StartDiscovery: quiet,
    StopDiscovery: quiet,
    SetDiscoveryFilter: { in: 'a{sv}', out: '' },
  },
  properties: { Discovering: readable('b'), Powered: readable('b') },
});

const device = described('org.bluez.Device1', {
  methods: { Connect: quiet, Disconnect: quiet },
  properties: {
    Address: readable('s'),
    Name: readable('s'),
    Connected: readable('b'),
    ServicesResolved: readable('b'),
  },
});

const service = described('org.bluez.GattService1', {
  properties: { UUID: readable('s'), Primary: readable('b') },
});

const characteristic = described('org.bluez.GattCharacteristic1', {
  methods: {
    ReadValue: { in: 'a{sv}', out: 'ay' },
    WriteValue: { in: 'aya{sv}', out: '' },
    StartNotify: quiet,
    StopNotify: quiet,
  },
  properties: { UUID: readable('s'), Value: readable('ay'), Notifying: readable('b') },
});

/** Where a characteristic is: the numbers of its service and of itself in that. */
export const characteristicPath = (inService, index) =>
  `${DEVICE}/service${inService}/char${index}`;

/** The objects, for a device with these services: a list of UUIDs for each, the service's own first. */
export function bluezObjects(services) {
  const objects = {
    '/org/bluez': { interfaces: [described('org.bluez.AgentManager1', {})] },
    [ADAPTER]: { interfaces: [adapter] },
    [DEVICE]: {
      interfaces: [device],
      properties: { Address: DEVICE_ADDRESS, Name: 'thermometer', ServicesResolved: true },
    },
  };
  for (const [at, [uuid, ...characteristics]] of services.entries()) {
    objects[`${DEVICE}/service${at}`] = { interfaces: [service], properties: { UUID: uuid } };
    for (const [index, own] of characteristics.entries()) {
      const properties = { UUID: own };
      objects[characteristicPath(at, index)] = { interfaces: [characteristic], properties };
    }
  }
  return objects;
}

/** Sends values, once every 10 ms, to who has asked for them, until nobody wants them any more. */
export function notify(object, value) {
  let timer;
  object.answer('StartNotify', () => {
    timer = setInterval(() => object.set('Value', value), 10);
  });
  object.answer('StopNotify', () => clearInterval(timer));
}
