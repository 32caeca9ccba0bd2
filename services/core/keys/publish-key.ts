import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Sql, Tx, Vault } from '../ports.ts';
import { keyPublished } from './audit-events.ts';
import { openSealed, type SealedKey } from './key-material.ts';
import type { KeyPolicy } from './key-timeline.ts';
import { insertKey, readSecrets } from './keys.store.ts';
import { serverSecretContext } from './secrets/server-secrets.ts';

type Publication = {
  readonly policy: KeyPolicy;
  readonly nowMs: number;
  readonly signsFrom: number;
  readonly caller: Caller;
};

/** Writes the row of a generated key, with its audit event. Returns its kid. */
export async function publishKey(tx: Tx, key: SealedKey, publication: Publication): Promise<string> {
  const { policy, nowMs, signsFrom, caller } = publication;
  const { longest_token_seconds: longestTokenSeconds } = policy;
  await insertKey(tx, key, { publishedAt: nowMs, signsFrom, longestTokenSeconds });
  await recordEvent(tx, caller, keyPublished, {
    target: { kind: 'key', id: key.kid },
    detail: { alg: key.alg, purpose: key.purpose, signs_from: new Date(Math.max(signsFrom, nowMs)).toISOString() },
  });
  return key.kid;
}

/**
 * Checks the key-encryption key: a writer with another one would leave rows that no copy can open.
 * @throws KeyMaterialError before anything is written
 */
export async function assertVaultFits(sql: Sql, vault: Vault): Promise<void> {
  const known = (await readSecrets(sql)).find((secret) => secret.sealed !== '');
  if (known) openSealed(vault, known.sealed, serverSecretContext(known.purpose, known.version)).fill(0);
}
