// The connection of our commands to a bus that is not well.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { BusConnection } from '#bridge/socket/connection.js';
import { openFolder } from '../support/bus-command.js';

test('a bus that takes a connection and says nothing is given up', async () => {
  const path = join(openFolder('silent-bus-'), 'bus');
  const server = createServer(() => undefined).listen(path);
  await once(server, 'listening');
  await expect(BusConnection.open(`unix:path=${path}`, 50)).rejects.toThrow(
    'the bus did not answer within 0.05 s',
  );
  server.close();
});

test('one that hangs up says so', async () => {
  const path = join(openFolder('rude-bus-'), 'bus');
  const server = createServer((socket) => socket.destroy()).listen(path);
  await once(server, 'listening');
  await expect(BusConnection.open(`unix:path=${path}`)).rejects.toThrow('hung up');
  server.close();
});
