import type { Ports, Tx } from '#services/core/ports.ts';
import { isSharedSecret, sealSharedSecret } from '../key-material.ts';
import { openEnded, sharedSecretPurpose, signsAtOnceFrom } from '../key-timeline.ts';
import { readKeys, readKeysOf } from '../keys.store.ts';
import { publishKey } from '../publish-key.ts';
import { type StopWork, stopSigning } from '../stop-signing.ts';

type SharedSecretSettings = {
  readonly keys: { readonly algorithm: string; readonly jwtSecret?: string | undefined };
  readonly authSecret: string;
  readonly audience: string | null;
};
type Ensured = { readonly created: readonly string[]; readonly warnings: readonly string[] };

/**
 * HS256 mode: the given secret signs for the default audience, and no secret for any other. A changed secret takes over
 * immediately, since no verifier fetches it; the old one verifies until its tokens expire. Outside HS256 mode no shared
 * secret signs.
 */
export async function ensureSharedSecret(
  ports: Pick<Ports, 'vault' | 'random'>,
  tx: Tx,
  settings: SharedSecretSettings,
  work: StopWork,
): Promise<Ensured> {
  const { audience } = settings;
  const signing = (await readKeys(tx)).filter((key) => key.alg === 'HS256' && openEnded([key]));
  if (settings.keys.algorithm !== 'HS256') {
    for (const key of signing) await stopSigning(tx, key, work);
    return { created: [], warnings: [] };
  }
  if (audience === null) return { created: [], warnings: [] };
  const purpose = sharedSecretPurpose(audience);
  const given = Buffer.from(settings.keys.jwtSecret ?? settings.authSecret);
  for (const key of signing) if (key.purpose !== purpose) await stopSigning(tx, key, work);
  return ensureFor(ports, tx, purpose, given, work);
}

async function ensureFor(
  ports: Pick<Ports, 'vault' | 'random'>,
  tx: Tx,
  purpose: string,
  given: Buffer,
  work: StopWork,
): Promise<Ensured> {
  const keys = await readKeysOf(tx, purpose);
  const same = keys.filter((key) => isSharedSecret(ports.vault, key, given));
  const current = openEnded(keys);
  if (current && same.includes(current)) return { created: [], warnings: [] };
  const isCompromised = same.some((key) => key.compromised_at !== null);
  const warnings = isCompromised
    ? ['The shared secret of HS256 mode is marked compromised and not used: set a new JWT_SECRET']
    : [];
  if (current && isCompromised) return { created: [], warnings };
  if (current) await stopSigning(tx, current, work);
  const key = isCompromised ? sealRandom(ports, purpose) : sealSharedSecret(ports, purpose, given);
  const signsFrom = signsAtOnceFrom(await readKeysOf(tx, purpose), work.nowMs);
  return { created: [await publishKey(tx, key, { ...work, signsFrom })], warnings };
}

export const sealRandom = (
  ports: Pick<Ports, 'vault' | 'random'>,
  purpose: string,
): ReturnType<typeof sealSharedSecret> => sealSharedSecret(ports, purpose, ports.random.bytes(32));
