import { withSpan } from '#observability/http-span.ts';
import type { Caller, Ports } from '../ports.ts';
import { advanceLogKey } from './log/advance-log-key.ts';
import { type RetiredKeys, retireKeys } from './retire-keys.ts';
import { type HasKeysChanged, rotateSigningKeys } from './rotate-signing-keys.ts';
import { rotateServerSecret } from './secrets/rotate-server-secret.ts';

export type AdvancedKeyRing = {
  /** Kid published now, a hold before it signs; null where no rotation was due. */
  readonly published: string | null;
  /** Version of the refresh secret made now, used once every copy knows it; null where none was due. */
  readonly refreshSecret: number | null;
  /** Kid of the audit log's next key, which signs beside the present one from now on; null where none was due. */
  readonly logKey: string | null;
  readonly destroyed: RetiredKeys;
};

/**
 * Does everything the key ring is due at this moment by the database's clock: publishes the successor of the signing
 * key a hold ahead of its days' end, gives the refresh secret its next version, and destroys the private parts and
 * secrets that nothing needs any more. Each is a transaction of its own under the one lock of key writers, decided
 * inside it: run by two at once, twice, or again after a crash at any point, it does what one run would have done.
 * What the other steps of a key's life ask for happens without anybody: ranges in its row say when it signs.
 * @throws KeyMaterialError on a database no API has started on, or under another key-encryption key
 */
export function advanceKeyRing(
  ports: Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'> & HasKeysChanged,
  caller: Caller,
): Promise<AdvancedKeyRing> {
  return withSpan('advance-key-ring', {}, async () => {
    const { outcome, key } = await rotateSigningKeys(ports, { onlyWhenDue: true }, caller);
    // The pepper and the key of stored hashes stay: what they made is kept. The others outlive no login.
    const secret = await rotateServerSecret(ports, { purpose: 'refresh', onlyWhenDue: true }, caller);
    return {
      published: outcome === 'publish' ? key.kid : null,
      refreshSecret: secret.outcome === 'created' ? secret.version : null,
      logKey: await advanceLogKey(ports, { onlyWhenDue: true }, caller),
      destroyed: await retireKeys(ports, caller),
    };
  });
}
