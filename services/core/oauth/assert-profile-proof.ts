import type { Client } from '../access/access-directory.ts';
import { FAPI_ALGORITHMS } from '../access/client-auth-shapes.ts';
import { dpopProofInvalid } from '../tokens/dpop/dpop-errors.ts';
import type { DpopProof } from '../tokens/dpop/dpop-proof.ts';

/** FAPI 2.0 §5.4.1 excludes RS256 from everything that a client signs. Throws `dpop_proof_invalid` (400). */
export function assertProfileProof(client: Pick<Client, 'profile'> | undefined, proof: DpopProof | undefined): void {
  if (client?.profile === 'fapi2' && proof !== undefined && !FAPI_ALGORITHMS.some((name) => name === proof.alg))
    throw dpopProofInvalid({ detail: `A client of the profile fapi2 does not sign with ${proof.alg}.` });
}
