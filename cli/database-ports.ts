import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createKeyRing, type HasKeyRing } from '../services/core/keys/key-ring.ts';
import type { Ports, Vault } from '../services/core/ports.ts';
import { createMarkedGuard } from '../services/core/revocations/database-guard.ts';
import {
  type Config,
  derivedKeyEncryptionKey,
  keyEncryptionKeyOf,
  loadConfig,
  previousKeyEncryptionKeyOf,
} from '../services/platform/config/load.ts';
import { systemClock, systemRandom } from '../services/platform/crypto/system.ts';
import { withUnwrappedKeys } from '../services/platform/crypto/unwrap-keys.ts';
import { createVault } from '../services/platform/crypto/vault.ts';
import { resolveDataDir } from '../services/platform/local/data-dir.ts';
import { createMarks } from '../services/platform/marks/mark-stores.ts';
import { createSql, createTransact } from '../services/platform/postgres/pool.ts';
import { rehearse } from '../services/platform/postgres/rehearsal.ts';
import { openContext, poolOf } from './context.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { installationSettings } from './installation.ts';

export { systemCaller } from '../services/platform/define/system-caller.ts';

/** Ports of a verb that runs use-cases directly on the database. */
export type DatabasePorts = Pick<Ports, 'transact' | 'sql' | 'vault' | 'clock' | 'random'> &
  /** Empty until it is loaded. */
  HasKeyRing & {
    /** Those of the installation where they are facts of it. */
    readonly settings: Config;
  };

/**
 * The vault of the previous key-encryption key: KEY_ENCRYPTION_KEY_PREVIOUS, or the key that a start without
 * KEY_ENCRYPTION_KEY derives from the auth secret.
 * @throws CommandError (2) when there is none
 */
export async function previousVault(fromAuthSecret: boolean, env: NodeJS.ProcessEnv = process.env): Promise<Vault> {
  const config = await withUnwrappedKeys(loadConfig(env));
  const given = previousKeyEncryptionKeyOf(config);
  if (given && !fromAuthSecret) return createVault(given);
  const authSecret = authSecretOf(resolveDataDir(env), config.identity.authSecret);
  if (fromAuthSecret && authSecret !== '') return createVault(derivedKeyEncryptionKey(authSecret));
  throw new CommandError(
    exitCodes.usage,
    fromAuthSecret ? 'no auth secret found' : 'KEY_ENCRYPTION_KEY_PREVIOUS is not set',
    fromAuthSecret
      ? 'set BETTER_AUTH_SECRET, or SALLYPORT_DATA_DIR'
      : 'set it to the old KEY_ENCRYPTION_KEY, or pass --from-auth-secret if there was none',
  );
}

/** The development secret that the API of this data directory uses; never created here. */
export function authSecretOf(dataDir: string, given: string | undefined): string {
  const file = join(dataDir, 'auth-secret');
  return given ?? (existsSync(file) ? readFileSync(file, 'utf8').trim() : '');
}

/**
 * Runs `work` with ports on the running or named database, and closes them.
 * @param isHeldToMarks false: also on a database that is behind its high-water marks
 * @param isRehearsal true: what it writes is undone at its end
 * @throws CommandError (3) when the database does not answer, (5) without the key-encryption key; ConfigError
 */
export async function withDatabase<T>(
  work: (ports: DatabasePorts) => Promise<T>,
  { env = process.env, statementTimeoutMs = 10_000, isHeldToMarks = true, isRehearsal = false } = {},
): Promise<T> {
  const own = await withUnwrappedKeys(loadConfig(env));
  const { databaseUrl, dataDir } = await openContext(['databaseUrl'], env);
  const authSecret = authSecretOf(dataDir, own.identity.authSecret);
  if (authSecret === '' && !own.keys.keyEncryptionKey && !own.keys.keyEncryptionKeyFile)
    throw new CommandError(
      exitCodes.refused,
      `no key-encryption key for ${dataDir}`,
      'set KEY_ENCRYPTION_KEY or BETTER_AUTH_SECRET as the API has them, or SALLYPORT_DATA_DIR',
    );
  const pool = poolOf(databaseUrl, statementTimeoutMs);
  try {
    const settings = await installationSettings({ sql: createSql(pool) }, env);
    // Writes to a database behind its high-water marks would be lost after the command had reported success.
    const guard = isHeldToMarks ? createMarkedGuard(createMarks(settings.marks, dataDir)) : undefined;
    const others = {
      vault: createVault(keyEncryptionKeyOf(own, authSecret)),
      clock: systemClock,
      random: systemRandom,
      settings,
    };
    const on = (stores: Pick<Ports, 'sql' | 'transact'>): Promise<T> =>
      work({ ...others, ...stores, keyRing: createKeyRing({ ...others, ...stores }, settings.keys) });
    if (isRehearsal) return await rehearse(pool, on, guard);
    return await on({ sql: createSql(pool, guard), transact: createTransact(pool, () => {}, guard) });
  } finally {
    await pool.end();
  }
}

/** Runs what only reads, also on a database that is behind its high-water marks. */
export const inspectDatabase = <T>(work: (ports: DatabasePorts) => Promise<T>): Promise<T> =>
  withDatabase(work, { isHeldToMarks: false });
