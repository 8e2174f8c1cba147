// A process that connects to buses on behalf of the test, which gets the sockets: to the bus they belong to this
// process (SO_PEERCRED), and a bus of several hosts keeps the connections of one process together.
import { connect } from 'node:net';

process.on('message', ({ number, path }) => {
  const socket = connect({ path });
  socket.once('connect', () => {
    /* the test reads and ends it, not this process */
    process.send({ number }, socket, { keepOpen: false });
  });
  socket.once('error', (error) => process.send({ number, error: String(error) }));
});
process.on('disconnect', () => process.exit(0));
