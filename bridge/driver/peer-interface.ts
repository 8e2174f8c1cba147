import { arg, type DriverInterface } from './method.js';
import { PEER } from '#bridge/wire/standard-names.js';

/** org.freedesktop.DBus.Peer */
export const peerInterface: DriverInterface = {
  name: PEER,
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
