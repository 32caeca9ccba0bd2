import { expect, test } from 'vitest';
import { outcomeOfCall } from '#tools/testing/outcome.ts';
import type { DpopProof } from '../tokens/dpop/dpop-proof.ts';
import { assertProfileProof } from './assert-profile-proof.ts';

test('a client of the profile fapi2 proves its key by ES256 or EdDSA, other clients by RS256 too', () => {
  const outcome = (profile: 'default' | 'fapi2' | undefined, alg: DpopProof['alg'] | undefined) =>
    outcomeOfCall(() =>
      assertProfileProof(
        profile === undefined ? undefined : { profile },
        alg === undefined ? undefined : ({ alg } as DpopProof),
      ),
    );
  for (const alg of ['ES256', 'EdDSA', undefined] as const) expect(outcome('fapi2', alg)).toBe('ok');
  for (const profile of ['default', undefined] as const) expect(outcome(profile, 'RS256')).toBe('ok');
  expect(outcome('fapi2', 'RS256')).toBe('dpop_proof_invalid');
});
