// dbus-next connects through the native package usocket for the sake of descriptors. The commands pass none, and Node
// connects to paths and abstract names by itself.
const { createConnection } = require('node:net');

exports.USocket = function USocket({ path }) {
  return createConnection(path);
};
