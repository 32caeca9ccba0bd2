import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { serverSecretCreated } from '../audit-events.ts';
import { insertSecret, readSecrets } from '../keys.store.ts';
import {
  SERVER_SECRET_BYTES,
  type ServerSecretPurpose,
  serverSecretContext,
  serverSecretPurposes,
} from './server-secrets.ts';

/** Generates and seals one version, with its audit event. */
export async function addServerSecret(
  ports: Pick<Ports, 'vault' | 'random'>,
  tx: Tx,
  secret: {
    readonly purpose: ServerSecretPurpose;
    readonly version: number;
    readonly created_at: number;
    readonly activates_at: number;
  },
  caller: Caller,
): Promise<void> {
  const context = serverSecretContext(secret.purpose, secret.version);
  await insertSecret(tx, { ...secret, sealed: ports.vault.seal(ports.random.bytes(SERVER_SECRET_BYTES), context) });
  await recordEvent(tx, caller, serverSecretCreated, {
    target: { kind: 'key', id: context },
    detail: { activates_at: new Date(secret.activates_at).toISOString() },
  });
}

/** Creates the first version for every purpose that has none; it is active immediately. */
export async function ensureServerSecrets(
  ports: Pick<Ports, 'vault' | 'random'>,
  tx: Tx,
  nowMs: number,
  caller: Caller,
): Promise<void> {
  const known = new Set((await readSecrets(tx)).map((secret) => secret.purpose));
  for (const purpose of serverSecretPurposes)
    if (!known.has(purpose))
      await addServerSecret(ports, tx, { purpose, version: 1, created_at: nowMs, activates_at: nowMs }, caller);
}
