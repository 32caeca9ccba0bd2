import { z } from 'zod';
import { canonicalBase64url } from '#services/core/jws/canonical-base64url.ts';
import { parseStrictObject } from '#services/core/jws/strict-json.ts';
import { verifySignature } from '#services/core/jws/verify-signature.ts';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import { feedIncomplete, feedInvalid, feedOfAnother } from './backup-errors.ts';

const id = z.string().min(1).max(512);
const epoch = z.int().min(0);

const entryShape = z.object({
  epoch,
  kind: z.enum(['jti', 'sid', 'family', 'user', 'client', 'key']),
  value: id,
  token_epoch: z.int().min(0).max(2_147_483_647).optional(),
  reason: z.literal('refresh_token_reused').optional(),
  expires_at: z.int().min(0).max(253_402_300_799),
});
const claimsShape = z.object({
  incarnation: z.uuid(),
  epoch,
  since: epoch,
  complete: z.boolean(),
  entries: z.array(entryShape).max(1_000_000),
});

export type FeedEntry = z.infer<typeof entryShape>;
export type FeedSegment = z.infer<typeof claimsShape> & { readonly kid: string };

/** One answer of `GET /v1/revocations`, and where it was kept. */
export type KeptSegment = { readonly place: string; readonly jws: string };

/**
 * Verifies a kept answer of the feed by the keys of the database. It may be as old as it likes: an answer that was true
 * stays true, as a revocation is never taken back.
 * @throws feedInvalid
 */
export function openSegment(keyRing: Pick<KeyRing, 'find'>, { place, jws }: KeptSegment): FeedSegment {
  const [header = '', payload = '', signature = '', ...rest] = jws.split('.');
  const bytes = [header, payload, signature].map(canonicalBase64url);
  const [headerBytes, payloadBytes, signatureBytes] = bytes;
  const invalid = (why: string) => feedInvalid({ detail: `${place}: ${why}` });
  if (rest.length > 0 || !headerBytes || !payloadBytes || !signatureBytes) throw invalid('it is no compact JWS');
  const { kid, alg, typ } = parseStrictObject(headerBytes.toString()) ?? {};
  if (typ !== 'revocations+jwt' || typeof kid !== 'string') throw invalid('its type is not revocations+jwt');
  const known = keyRing.find(kid);
  if (known === undefined || known.compromised) throw invalid('the database does not have its key, or not trust it');
  if (known.key.alg === 'HS256' || alg !== known.key.alg) throw invalid('its algorithm is not that of its key');
  if (!verifySignature(known.key, `${header}.${payload}`, signatureBytes)) throw invalid('its signature is wrong');
  const claims = claimsShape.safeParse(parseStrictObject(payloadBytes.toString()));
  if (!claims.success) throw invalid('its claims are not those of the feed');
  return { ...claims.data, kid };
}

export type FeedProof = {
  /** The segments together hold every revocation that is in force above `from`, up to this epoch. */
  readonly to: number;
  /** In epoch order, each once. */
  readonly entries: readonly FeedEntry[];
};

/**
 * What the segments prove above an epoch. Each covers `since` to `epoch`; what they leave out was replaced by a later
 * entry or has expired.
 * @throws feedOfAnother, feedInvalid, feedIncomplete
 */
export function proofOf(segments: readonly FeedSegment[], incarnation: string, from: number): FeedProof {
  if (segments.some((segment) => segment.incarnation !== incarnation)) throw feedOfAnother();
  const entries = new Map<number, FeedEntry>();
  let to = from;
  for (const segment of segments.toSorted((one, other) => one.since - other.since || one.epoch - other.epoch)) {
    if (segment.epoch <= to && segment.since <= to) continue;
    if (segment.since > to) throw feedIncomplete({ detail: `epochs ${to + 1} to ${segment.since} are in no segment` });
    for (const entry of segment.entries) if (entry.epoch > from) entries.set(entry.epoch, entry);
    to = segment.epoch;
  }
  const compromised = new Set([...entries.values()].flatMap(({ kind, value }) => (kind === 'key' ? [value] : [])));
  // An owner of the private key could have left revocations out.
  if (segments.some(({ kid }) => compromised.has(kid)))
    throw feedInvalid({ detail: 'a segment is signed by a key that the feed says is compromised' });
  return { to, entries: [...entries.values()].sort((one, other) => one.epoch - other.epoch) };
}
