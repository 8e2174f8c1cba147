/*
 * V8 compiles the hot path for the shapes of objects that it has seen there. A counter that passes 2^31 changes the
 * shape of the object that has it, and a list that gets its first object changes its own. What was compiled for the
 * old shape is thrown away then, in the middle of the work. What is here has its final shape from the start.
 */

/**
 * Zero, for a counter of bytes, which soon passes 2^31: V8 stores -0, and whatever is added to it, as a floating-point
 * number. A counter of messages takes an hour for that, and code that is not optimised yet allocates such numbers.
 */
export const WIDE_ZERO = -0;

/**
 * A field for a number that is passed to system calls, and is larger than 2^31. If it is null at first, V8 keeps the
 * number as an object, and passes that; a field that has only ever had numbers gets a new object with every call.
 */
export type Boxed = number | null;

/** Copies `bytes` into `to`. V8 looks a method of a typed array up in its runtime for every call, but not here. */
export function copyInto(bytes: Uint8Array, to: Uint8Array, at: number): void {
  Uint8Array.prototype.set.call(to, bytes, at);
}

/** An empty list of objects. An empty literal is a list of small integers, until something else is added. */
export function emptyList<T extends object>(): T[] {
  const list: T[] = [];
  const anything: unknown[] = list;
  anything.push(null);
  anything.pop();
  return list;
}
