import { withSpan } from '#observability/http-span.ts';
import type { Caller, Ports } from '../ports.ts';
import { advanceLogKey } from './log/advance-log-key.ts';
import { type RetiredKeys, retireKeys } from './retire-keys.ts';
import { type HasKeysChanged, rotateDueKeys } from './rotate-signing-keys.ts';
import { rotateServerSecret } from './secrets/rotate-server-secret.ts';

export type AdvancedKeyRing = {
  /** Kids published now, one hold period before they sign; at most one of each algorithm. */
  readonly published: readonly string[];
  /** Version of the refresh secret made now, used once every copy knows it; null where none was due. */
  readonly refreshSecret: number | null;
  /** Kid of the audit log's next key, which signs beside the current one from now on; null where none was due. */
  readonly logKey: string | null;
  readonly destroyed: RetiredKeys;
};

/**
 * Does everything that is due for the key ring by the database's clock: publishes the successor of each signing key one
 * hold period before its rotation date, adds the next version of the refresh secret, and destroys the private keys and
 * secrets that nothing needs any more. Each step is its own transaction under the key writers' lock, and decides inside
 * it: concurrent runs, repeated runs and runs after a crash at any point have the effect of a single run.
 * The other steps of a key's life need no job: the ranges in its row say when it signs.
 * @throws KeyMaterialError on a database no API has started on, or under another key-encryption key
 */
export function advanceKeyRing(
  ports: Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'> & HasKeysChanged,
  caller: Caller,
): Promise<AdvancedKeyRing> {
  return withSpan('advance-key-ring', {}, async () => {
    const rotated = await rotateDueKeys(ports, caller);
    // The pepper and the key of stored hashes stay, because the hashes they made are kept. The other secrets are needed
    // for the lifetime of a token family at most.
    const secret = await rotateServerSecret(ports, { purpose: 'refresh', onlyWhenDue: true }, caller);
    return {
      published: rotated.filter(({ outcome }) => outcome === 'publish').map(({ key }) => key.kid),
      refreshSecret: secret.outcome === 'created' ? secret.version : null,
      logKey: await advanceLogKey(ports, { onlyWhenDue: true }, caller),
      destroyed: await retireKeys(ports, caller),
    };
  });
}
