// An honest member: for each message of its parent that many calls to the root's service, then an answer.
import { LocalDomain, Message, NewNode, ReceivedType, ResourceUser } from '#core/index.js';
import { SharedDomain } from '#core/shared/index.js';

const maxima = { objects: 2 ** 16, bytes: 2 ** 26, descriptors: 64 };
const local = new LocalDomain();
const domain = SharedDomain.join(process.argv[2], { local, maxima, onDiagnostic: console.error });
if (!domain.awaitReady(10_000)) throw new Error('not admitted');
const peer = local.openPeer({ user: new ResourceUser(process.getuid(), maxima) });
const root = domain.copyRoot(peer);
const call = new Message();

process.on('message', (calls) => {
  let answered = 0;
  for (let i = 0; i < calls; i++) {
    call.clear();
    call.addPiece(Buffer.from(`call ${i}`), 0, 5);
    call.newNode = NewNode.OneShot;
    peer.send(root, call);
    for (;;) {
      const next = peer.receive();
      if (next?.type === ReceivedType.User) break;
      if (next !== undefined) return process.send({ answered, lost: true });
      if (domain.wait(10_000) === 0) return process.send({ answered, lost: true });
    }
    answered++;
  }
  process.send({ answered, lost: false });
});
process.on('disconnect', () => process.exit(0));
process.send('ready');
