import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8 from enlarging the memory for objects that have just been made, which never shrinks again. It holds for all
 * threads, and V8 sets it back when another one starts, which therefore does it again.
 */
export function limitYoungGeneration(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
