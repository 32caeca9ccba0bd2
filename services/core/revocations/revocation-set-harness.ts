// For tests only: revocation sets with a clock that the test moves, entries for them, and claims to check.

import { quietLog } from '#tools/testing/harness/ports.ts';
import type { RevocationEntry, RevocationKind } from './revocation-log.ts';
import { createRevocationSet, type RevocableClaims, type RevocationMemory } from './revocation-set.ts';

export type MadeRevocations = {
  monotonicMs: number;
  readonly warnings: string[];
  /** An empty set with a staleness bound of two seconds. */
  set(budget?: number): RevocationMemory;
  /** An entry with the next epoch. */
  entry(kind: RevocationKind, value: string, more?: Partial<RevocationEntry>): RevocationEntry;
};

/** The claims of a token that revocations are matched with. */
export const claimsOf = (more: Partial<RevocableClaims> = {}): RevocableClaims => ({
  jti: 'j',
  sid: 's',
  fid: 'f',
  sub: 'u',
  client_id: 'c',
  ue: 0,
  ce: 0,
  ...more,
});

export function makeRevocations(): MadeRevocations {
  let epoch = 0;
  const made: MadeRevocations = {
    monotonicMs: 0,
    warnings: [],
    set: (budget = 1_000) => createRevocationSet({ clock, log, stalenessBoundMs: 2_000, budget }),
    entry(kind, value, more = {}) {
      epoch += 1;
      return {
        epoch,
        kind,
        value,
        tokenEpoch: kind === 'user' || kind === 'client' ? 1 : null,
        isReuse: false,
        userId: null,
        clientId: null,
        expiresAtMs: 10_000_000,
        ...more,
      };
    },
  };
  const clock = { now: () => 1_700_000_000_000 + made.monotonicMs, monotonic: () => made.monotonicMs };
  const log = { ...quietLog, warn: (_fields: object, message: string) => void made.warnings.push(message) };
  return made;
}
