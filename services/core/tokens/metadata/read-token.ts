import type { z } from 'zod';
import type { HasRevocations } from '#services/core/revocations/revocation-set.ts';
import type { tokenMetadata } from '../contract.ts';
import { tokenMetadataUnavailable, tokenUnknown } from '../errors.ts';
import { readTokenMetadata, type TokenMetadata, type TokenMetadataPorts } from './token-metadata.cache.ts';

export { readTokenMetadata, type TokenMetadata, writeTokenMetadata } from './token-metadata.cache.ts';

const iso = (unixSeconds: number): string => new Date(unixSeconds * 1_000).toISOString();

/** True when a revocation names the token, its session, family, user or client. */
export const isRevoked = ({ revocations }: HasRevocations, tokenId: string, known: TokenMetadata): boolean =>
  revocations.check({
    jti: tokenId,
    sid: known.sessionId ?? undefined,
    fid: known.familyId ?? undefined,
    sub: known.subject,
    client_id: known.clientId,
    ue: known.userEpoch,
    ce: known.clientEpoch,
    origins: known.origins,
  }) !== null;

/** Metadata of a token id. Throws `token_unknown` (404), `token_metadata_unavailable` (503). */
export async function readToken(
  ports: TokenMetadataPorts & HasRevocations,
  { token_id: tokenId }: { readonly token_id: string },
): Promise<z.output<typeof tokenMetadata>> {
  const [known] = await readTokenMetadata(ports, [tokenId]).catch((err: unknown) => {
    throw tokenMetadataUnavailable({ retryAfterSeconds: 1, cause: err });
  });
  if (!known) throw tokenUnknown();
  return {
    token_id: tokenId,
    type: known.type,
    subject: known.subject,
    user_id: known.userId,
    client_id: known.clientId,
    audience: known.audience,
    session_id: known.sessionId,
    family_id: known.familyId,
    scope: known.scope,
    role: known.role,
    issued_at: iso(known.issuedAt),
    expires_at: iso(known.expiresAt),
    key_id: known.keyVersion,
    revoked: isRevoked(ports, tokenId, known),
  };
}
