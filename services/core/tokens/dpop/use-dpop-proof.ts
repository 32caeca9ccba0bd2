import { hash } from 'node:crypto';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports } from '#services/core/ports.ts';
import { aheadSeconds } from '../client-clock.ts';
import type { HasTokenSettings } from '../token-settings.ts';
import { insertProof } from './dpop.store.ts';
import { dpopNonceRequired, dpopProofInvalid } from './dpop-errors.ts';
import { dpopNonce, isDpopNonce } from './dpop-nonce.ts';
import { checkDpopProof, type DpopProof, type HasProofKeys, PROOF_SECONDS } from './dpop-proof.ts';

/** The proof in a request, and the request that it must be made for. */
export type PresentedProof = {
  /** The value of the DPoP header; '' when the request has none or several. */
  readonly proof: string;
  readonly htm: string;
  readonly htu: string;
  /** True when the proof was verified on arrival of a long-lived request; it is not verified again. */
  readonly isChecked?: true;
};

export type DpopPorts = Pick<Ports, 'clock'> &
  HasTokenSettings &
  HasProofKeys & { readonly keyRing: Pick<KeyRing, 'secret' | 'secretVersion'> };

/**
 * Verifies a proof in memory, before any query.
 * @param accessToken the access token of a request to a resource, which the proof must name
 * @throws dpop_proof_invalid, dpop_nonce_required (401; at the OAuth endpoints 400)
 */
export function verifyProof(ports: DpopPorts, presented: PresentedProof, accessToken?: string): DpopProof {
  const { requireDpopNonce } = ports.tokenSettings;
  const now = Math.floor(ports.clock.now() / 1_000);
  const { proof, htm, htu } = presented;
  const expected = {
    htm,
    htu,
    now,
    leewaySeconds: aheadSeconds(ports.tokenSettings),
    ...(accessToken === undefined ? {} : { accessToken }),
  };
  const checked = checkDpopProof(ports.proofKeys, proof, expected);
  if (checked === null) throw dpopProofInvalid();
  const isNonceMissing = checked.nonce === undefined ? requireDpopNonce : !isDpopNonce(ports, checked.nonce);
  if (isNonceMissing) throw dpopNonceRequired({ headers: { 'dpop-nonce': dpopNonce(ports) } });
  return checked;
}

/**
 * Uses up a proof: every copy rejects it from now on, for as long as its age would be accepted.
 * Throws `dpop_proof_invalid` when it was used before, `store_unavailable` (503).
 */
export async function consumeProof(
  ports: Pick<Ports, 'hotSql'> & HasTokenSettings,
  { jkt, jti }: DpopProof,
): Promise<void> {
  const keepSeconds = PROOF_SECONDS + aheadSeconds(ports.tokenSettings) + 60;
  if (!(await insertProof(ports.hotSql, hash('sha256', `${jkt}\0${jti}`, 'buffer'), keepSeconds)))
    throw dpopProofInvalid();
}
