import { setFlagsFromString } from 'node:v8';

/**
 * V8 makes objects old at birth by what it saw of others from the same place. It judges by the first seconds, when
 * young space is small and whatever is under way outlives it, and for good: in about every third start what requests
 * allocate was old from then on, with all that it reached, and a collection of the young took twice as long.
 */
const NOT_OLD_AT_BIRTH = '--no-allocation-site-pretenuring';

/**
 * When little is allocated for some seconds V8 collects for the least memory: it stops everything for a tenth of a
 * second and throws away the compiled code of whatever has no object just then, requests among them. The next ones run
 * uncompiled for tens of seconds. Without this it still collects then, as it does under load.
 */
const CODE_OUTLIVES_A_PAUSE = '--no-memory-reducer-favors-memory';

/** V8 says nothing to a name it does not know. */
export const ENGINE_FLAGS = [NOT_OLD_AT_BIRTH, CODE_OUTLIVES_A_PAUSE] as const;

/** Breaks two habits of V8 in a process that must answer evenly. Call it once, before the first request. */
export function steadyEngine(): void {
  for (const flag of ENGINE_FLAGS) setFlagsFromString(flag);
}
