// The interfaces of the thermostat, by hand: `bus1-bridge generate` writes such files, with types, from XML.
export const NAME = 'org.example.Thermostat';
export const PATH = '/org/example/Thermostat';

/**
 * @typedef {import('bus1-bridge').ObjectReference} ObjectReference
 * @type {import('bus1-bridge').InterfaceDescription<
 *   { Raise: (degrees: number) => number; Watch: (watcher: ObjectReference) => void },
 *   { TargetChanged: [degrees: number] },
 *   { Target: import('bus1-bridge').ReadWrite<number> }
 * >}
 */
export const Thermostat = {
  name: 'org.example.Thermostat',
  methods: {
    Raise: { in: 'd', out: 'd' },
    Watch: { in: 'o', out: '' },
  },
  signals: { TargetChanged: { args: 'd' } },
  properties: { Target: { type: 'd', access: 'readwrite' } },
};

/**
 * What those who watch have to offer: an object of their own, handed over as a capability.
 *
 * @type {import('bus1-bridge').InterfaceDescription<{ Changed: (degrees: number) => void }, {}, {}>}
 */
export const Watcher = {
  name: 'org.example.Watcher',
  methods: { Changed: { in: 'd', out: '', noReply: true } },
  signals: {},
  properties: {},
};
