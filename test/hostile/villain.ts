// One who does a deed to a bus, in a process of its own, until it is ended: `villain.ts UID`. Its parent says which.
import { setgid, setgroups, setuid } from '#core/linux/index.js';
import { Entry, messageTo } from '../fuzz/raw-channel.js';
import { RawMember } from '../fuzz/raw-member.js';
import type { Place } from '../fuzz/target.js';
import { EARLY_DEEDS, HONEST_DEEDS, LATE_DEEDS, type Held, type Phase } from './dbus-deeds.js';
import { NATIVE_DEEDS } from './native-deeds.js';

export interface Order {
  readonly place: Place;
  readonly deed: string;
  readonly phase: string;
  /** process of the domain that a native deed is done to */
  readonly victim?: number | undefined;
}

const uid = Number(process.argv[2]);
if (process.getuid!() === 0 && uid !== 0) {
  setgroups([]);
  setgid(uid);
  setuid(uid);
}

let times = 0;

/** Says that the deed is being done; its parent ends this process when it has seen enough. */
function goOn(step: () => void): void {
  const again = (): void => {
    try {
      step();
    } catch {
      // It has been shut out, which is as it should be: it tries again.
    }
    times++;
    if (times === 3) process.send!('done');
    setTimeout(again, 2);
  };
  again();
}

function doNative({ place, deed, phase, victim = 0 }: Order): void {
  let member: RawMember | undefined;
  const enter = (): RawMember | undefined => {
    if (member?.isOpen) return member;
    member?.close();
    member = RawMember.join(`${place.socketPath}.bus1`, 300);
    return member;
  };
  goOn(() => {
    const own = enter();
    if (own === undefined) return;
    own.pump(0);
    const channel = own.introduce(victim === 0 ? own.root : victim, 200);
    if (channel === undefined) return;
    if (channel.hasHungUp()) {
      own.close();
      return;
    }
    if (phase === 'in the middle of a transaction') {
      // A stamp of 0: committed when this number stands on the page, which it never does.
      channel.write(Entry.Message, messageTo(0xffff_ffff, new Uint8Array(8)), {
        stamp: 0,
        transaction: 77,
      });
      channel.commit();
    }
    NATIVE_DEEDS[deed](channel, own);
    if (phase === 'dying') {
      if (times < 3) own.close();
      else process.kill(process.pid, 'SIGKILL');
    }
  });
}

function doDBus({ place, deed, phase }: Order): void {
  const state: Held = { clients: [], times: 0 };
  const perform = EARLY_DEEDS[deed] ?? LATE_DEEDS[deed] ?? HONEST_DEEDS[deed];
  goOn(() => perform(place, phase as Phase, state));
}

process.on('disconnect', () => process.exit(0));
process.on('message', (order: Order) =>
  (order.deed in NATIVE_DEEDS && order.victim !== undefined ? doNative : doDBus)(order),
);
process.send!('ready');
