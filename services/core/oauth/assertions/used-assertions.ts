import type { Clock, Ports, RequestContext } from '#services/core/ports.ts';
import { type Batcher, createBatcher } from '#services/core/tokens/batches/batcher.ts';
import { insertAssertions } from './client-assertions.store.ts';

type UsedAssertion = {
  /** SHA-256 of client id and jti. */
  readonly hash: Buffer;
  readonly keepSeconds: number;
  readonly request: RequestContext;
};

/** Group commit of used assertions; true for the first use of an assertion, over all copies. */
type UsedAssertions = Batcher<UsedAssertion, boolean>;
export type HasUsedAssertions = { readonly usedAssertions: UsedAssertions };

/** @param groupCommit false: one statement for each assertion, to measure what group commit saves */
export function createUsedAssertions(
  { hotSql, clock }: Pick<Ports, 'hotSql'> & { readonly clock: Clock },
  groupCommit: boolean,
  deadlineMs: number,
): UsedAssertions {
  return createBatcher<UsedAssertion, boolean>({
    name: 'use client assertions',
    clock,
    maxBatch: groupCommit ? 128 : 1,
    maxInFlight: groupCommit ? 2 : 8,
    deadlineMs,
    // The time before, in which the keys of the client may have been fetched, does not count.
    requestOf: ({ request }) => ({ hasLeft: request.hasLeft }),
    maxWaiting: 8_192,
    // Inserted by a statement whose answer was lost, an assertion would look replayed.
    isRepeatable: () => false,
    run: (used) => insertAssertions(hotSql, used),
  });
}
