import { arg, type DriverInterface } from './method.js';

/** org.freedesktop.DBus.Peer */
export const peerInterface: DriverInterface = {
  name: 'org.freedesktop.DBus.Peer',
  methods: [
    {
      name: 'GetMachineId',
      in: [],
      out: [arg('machine_uuid', 's')],
      run: ({ driver }) => [driver.settings.machineId],
    },
    { name: 'Ping', in: [], out: [], run: () => [] },
  ],
};
