import { setFlagsFromString } from 'node:v8';

/**
 * Lets V8 make no object old at birth by what it saw of others from the same place. It judges by the first seconds,
 * when young space is small and whatever is under way outlives it, and for good: in about every third start what
 * requests allocate was old from then on, with all that it reached, and a collection of the young took twice as long.
 * Call it once, before the first request.
 */
export function keepGarbageYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring');
}
