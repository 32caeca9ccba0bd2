import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { keyStopped } from './audit-events.ts';
import { isSharedSecret, sealSharedSecret } from './key-material.ts';
import { type KeyPolicy, leavesAt, openEnded, sharedSecretPurpose } from './key-timeline.ts';
import { type KeyRow, readKeys, readKeysOf, setKeyRange } from './keys.store.ts';
import { type Publication, publishKey } from './publish-key.ts';

type SharedSecretSettings = {
  readonly keys: { readonly algorithm: string; readonly jwtSecret?: string | undefined };
  readonly authSecret: string;
  readonly audience: string;
};

/**
 * HS256 mode: the given secret signs for the default audience. A changed secret takes over at once, since nobody
 * fetches it; the old one verifies until its tokens expire. Outside the mode no shared secret signs.
 */
export async function ensureSharedSecret(
  ports: Pick<Ports, 'vault' | 'random'>,
  tx: Tx,
  settings: SharedSecretSettings,
  publication: Publication,
): Promise<{ created: string[]; warnings: string[] }> {
  const { policy, nowMs, caller } = publication;
  if (settings.keys.algorithm !== 'HS256') {
    const shared = (await readKeys(tx)).filter((key) => key.alg === 'HS256' && openEnded([key]));
    for (const key of shared) await stopSigning(tx, key, policy, nowMs, caller);
    return { created: [], warnings: [] };
  }
  const purpose = sharedSecretPurpose(settings.audience);
  const given = Buffer.from(settings.keys.jwtSecret ?? settings.authSecret);
  const keys = await readKeysOf(tx, purpose);
  const same = keys.filter((key) => isSharedSecret(ports.vault, key, given));
  const current = openEnded(keys);
  if (current && same.includes(current)) return { created: [], warnings: [] };
  if (same.some((key) => key.compromisedAt !== null))
    return {
      created: current ? [] : [await publishKey(tx, sealRandom(ports, purpose), publication)],
      warnings: ['The shared secret of HS256 mode is marked compromised and not used: set a new JWT_SECRET'],
    };
  if (current) await stopSigning(tx, current, policy, nowMs, caller);
  const signsFrom = current ? Math.max(nowMs, current.signsFrom + 1) : publication.signsFrom;
  const key = sealSharedSecret(ports, purpose, given);
  return { created: [await publishKey(tx, key, { ...publication, signsFrom })], warnings: [] };
}

export const sealRandom = (
  ports: Pick<Ports, 'vault' | 'random'>,
  purpose: string,
): ReturnType<typeof sealSharedSecret> => sealSharedSecret(ports, purpose, ports.random.bytes(32));

async function stopSigning(tx: Tx, key: KeyRow, policy: KeyPolicy, nowMs: number, caller: Caller): Promise<void> {
  const signsUntil = Math.max(nowMs, key.signsFrom + 1);
  const longest = Math.max(key.longestTokenSeconds, policy.longestTokenSeconds);
  const range = { signsFrom: key.signsFrom, signsUntil, leavesAt: leavesAt(signsUntil, longest, policy) };
  await setKeyRange(tx, key.kid, range, longest);
  await recordEvent(tx, caller, keyStopped, { outcome: 'ok', target: { kind: 'key', id: key.kid } });
}
