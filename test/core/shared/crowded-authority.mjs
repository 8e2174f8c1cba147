// An authority that may open just a few descriptors more; it says when it accepts nobody, and when it does again.
import { readdirSync } from 'node:fs';
import { getOpenFilesLimit, setOpenFilesLimit, waitReadable } from '#core/linux/index.js';
import { Authority } from '#core/shared/index.js';

/** Each member takes two. */
const FREE = 6;

const [, , path] = process.argv;
const diagnostics = [];
const authority = new Authority({ onDiagnostic: (text) => diagnostics.push(text) });
authority.listen(path);
const open = new Set(readdirSync('/proc/self/fd').map(Number));
let soft = 0;
for (let free = 0; free < FREE; soft++) if (!open.has(soft)) free++;
setOpenFilesLimit({ ...getOpenFilesLimit(), soft });
process.send('listening');

/** Does what there is to do until `isSo`; false when nothing more happens. */
function turnUntil(isSo) {
  while (!isSo()) {
    if (!waitReadable(authority.fd, 10_000)) return false;
    authority.dispatch();
  }
  return true;
}

turnUntil(() => diagnostics.length > 0);
const accepted = authority.members.size;
process.send({ diagnostics, accepted, isAwake: waitReadable(authority.fd, 0) });
process.once('message', () => {
  const hasRoom = turnUntil(() => authority.members.size < accepted);
  turnUntil(() => authority.members.size === accepted);
  process.send({ hasRoom, accepted: authority.members.size });
  process.exit(0);
});
