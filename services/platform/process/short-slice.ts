/** Nanoseconds: the shortest that Linux gives (sched(7)); the usual one is 1.4 to 3 ms. */
export const SHORT_SLICE_NS = 100_000;

/** System call numbers of `sched_setattr(2)` and `sched_getattr(2)`. */
const numbers: Readonly<Record<string, readonly [set: number, get: number]>> = { x64: [314, 315], arm64: [274, 275] };

/** `struct sched_attr`, first version: where its members stand. */
const attrBytes = 48;
const policyAt = 4;
const flagsAt = 8;
const runtimeAt = 24;
const ordinaryPolicy = 0;
const resetOnFork = 1n;

type Scheduling = {
  /** False when the kernel refused. */
  read(thread: number, attr: Buffer): boolean;
  write(thread: number, attr: Buffer): boolean;
};

/** Undefined where there is no such call: another system or processor, or no binary of koffi for it. */
async function scheduling(): Promise<Scheduling | undefined> {
  const [set, get] = numbers[process.arch] ?? [];
  if (process.platform !== 'linux' || set === undefined || get === undefined) return undefined;
  const koffi = await import('koffi').catch(() => undefined);
  if (koffi === undefined) return undefined;
  const call = koffi.default.load(null).func('long syscall(long, long, _Inout_ void *attr, ulong, ulong)');
  return {
    read: (thread, attr) => call(get, thread, attr, attrBytes, 0) === 0,
    write: (thread, attr) => call(set, thread, attr, 0, 0) === 0,
  };
}

/**
 * The slice of a thread in nanoseconds; undefined where it cannot be read, or the kernel (before 6.12) does not tell.
 */
export async function sliceOf(thread: number): Promise<number | undefined> {
  const attr = Buffer.alloc(attrBytes);
  if (!(await scheduling())?.read(thread, attr)) return undefined;
  return Number(attr.readBigUInt64LE(runtimeAt)) || undefined;
}

/**
 * Asks Linux (6.12 and later) for short turns: a thread that asks for less at a time goes, when it wakes, before those
 * in the midst of a longer turn, and gets no more of the processor than before. No privilege is needed, its priority
 * stays as it is, and threads and processes it starts later have the usual slice.
 * @param thread the number of a thread; that of a process is its main thread's
 * @returns false, and nothing has changed, where that is not to be had or the thread has a policy of its own
 */
export async function takeShortTurns(thread: number): Promise<boolean> {
  const attr = Buffer.alloc(attrBytes);
  const kernel = await scheduling();
  if (!kernel?.read(thread, attr)) return false;
  const isOlder = attr.readBigUInt64LE(runtimeAt) === 0n;
  if (isOlder || attr.readUInt32LE(policyAt) !== ordinaryPolicy) return false;
  attr.writeBigUInt64LE(attr.readBigUInt64LE(flagsAt) | resetOnFork, flagsAt);
  attr.writeBigUInt64LE(BigInt(SHORT_SLICE_NS), runtimeAt);
  return kernel.write(thread, attr);
}
