// An honest member: for each message of its parent that many calls to the root's service, then an answer.
import {
  LocalDomain,
  Message,
  NewNode,
  ReceivedType,
  ResourceUser,
  SendStatus,
} from '#core/index.js';
import { SharedDomain } from '#core/shared/index.js';

const maxima = { objects: 2 ** 16, bytes: 2 ** 26, descriptors: 64 };
const local = new LocalDomain();
const onDiagnostic = (text) => void process.stderr.write(`${text}\n`);
const domain = SharedDomain.join(process.argv[2], { local, maxima, onDiagnostic });
if (!domain.awaitReady(10_000)) throw new Error('not admitted');
const peer = local.openPeer({ user: new ResourceUser(process.getuid(), maxima) });
const root = domain.copyRoot(peer);
const call = new Message();
/** with 'inbox' each call carries a handle to it */
const inbox = process.argv[3] === 'inbox' ? peer.createNode().handle : undefined;

/** How many of `calls` calls were answered. */
function callTimes(calls) {
  let answered = 0;
  domain.dispatch();
  for (let i = 0; i < calls; i++) {
    call.clear();
    call.addPiece(Buffer.from(`call ${i}`), 0, 5);
    call.newNode = NewNode.OneShot;
    if (inbox !== undefined) call.addTransfer(inbox);
    /* others of the same user may just have had much waiting there: that it is gone is told a little later */
    while (peer.send(root, call) === SendStatus.OverQuota) domain.wait(1);
    for (;;) {
      const next = peer.receive();
      if (next?.type === ReceivedType.User) break;
      if (next !== undefined || domain.wait(10_000) === 0) return answered;
    }
    answered++;
  }
  return answered;
}

/** Takes `count` messages, whatever they are. */
function takeMessages(count) {
  for (let taken = 0; taken < count;) {
    const next = peer.receive();
    if (next?.type === ReceivedType.User) taken++;
    else if (next === undefined && domain.wait(10_000) === 0) return taken;
  }
  return count;
}

process.on('message', (calls) => {
  const answered = calls < 0 ? takeMessages(-Number(calls)) : callTimes(Number(calls));
  process.send({ answered, lost: answered < calls });
});
process.on('disconnect', () => process.exit(0));
process.send('ready');
