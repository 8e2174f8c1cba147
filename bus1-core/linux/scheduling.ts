import { schedAttributes } from './libc.js';

// __NR_sched_setattr and __NR_sched_getattr: asm/unistd_64.h of x86 and powerpc; asm-generic/unistd.h for all newer
// machines.
const SYS_SCHED_SETATTR = process.arch === 'x64' ? 314 : process.arch === 'ppc64' ? 355 : 274;
const SYS_SCHED_GETATTR = SYS_SCHED_SETATTR + 1;

// struct sched_attr of sched_setattr(2), its first version: u32 size, u32 policy, u64 flags, s32 nice, u32 priority,
// u64 runtime, u64 deadline, u64 period.
const ATTRIBUTES_BYTES = 48;
const POLICY_AT = 4;
const FLAGS_AT = 8;
const RUNTIME_AT = 24;

const SCHED_OTHER = 0;
/** A child process starts without what was requested here. */
const SCHED_FLAG_RESET_ON_FORK = 1;

/**
 * Asks the scheduler to divide this thread's share of the processor into slices of `sliceNs`, 0.1 to 100 ms. The share
 * stays the same; but a thread with short slices that is woken preempts one with longer slices at once, so that on a
 * busy machine it does not wait for milliseconds until somebody else's slice has ended. It takes no privilege. Linux
 * has this since 6.12 (kernel/sched/syscalls.c: `custom_slice`); before, and where the thread has another scheduling
 * policy, nothing changes.
 *
 * @returns whether the kernel has taken it
 */
export function requestSlice(sliceNs: number): boolean {
  const attributes = new Uint8Array(ATTRIBUTES_BYTES);
  const view = new DataView(attributes.buffer);
  const get = (): boolean =>
    schedAttributes(SYS_SCHED_GETATTR, 0, attributes, ATTRIBUTES_BYTES, 0) === 0;
  if (!get() || view.getUint32(POLICY_AT, true) !== SCHED_OTHER) return false;
  view.setUint32(FLAGS_AT, SCHED_FLAG_RESET_ON_FORK, true);
  view.setBigUint64(RUNTIME_AT, BigInt(sliceNs), true);
  schedAttributes(SYS_SCHED_SETATTR, 0, attributes, 0, 0);
  return get() && view.getBigUint64(RUNTIME_AT, true) === BigInt(sliceNs);
}
