import type { keySettings } from '#services/platform/config/keys.ts';
import type { SettingsOf } from '#services/platform/define/setting.ts';
import type { Caller, Ports, Tx, Vault } from '../ports.ts';
import type { AsymmetricAlgorithm } from './algorithm-shapes.ts';
import { ensureTokenKeys, makeTokenKeys } from './ensure-token-keys.ts';
import { defaultAlgorithmOf, destroysAt, type KeyPolicy, leavesAt } from './key-timeline.ts';
import { keyWarnings } from './key-warnings.ts';
import { lockKeys, readKeys, setKeyRange, writePolicy } from './keys.store.ts';
import { makeLogKey, publishLogKey } from './log/log-keys.ts';
import { assertVaultFits } from './publish-key.ts';
import { ensureServerSecrets } from './secrets/ensure-server-secrets.ts';
import { ensureSharedSecret } from './secrets/ensure-shared-secret.ts';
import { rewrapSealedValues } from './secrets/rewrap-sealed-values.ts';

export type EnsureKeysSettings = {
  readonly keys: Pick<
    SettingsOf<typeof keySettings>,
    'algorithm' | 'jwtSecret' | 'prepublishSeconds' | 'rotationDays' | 'ringBoundSeconds'
  > & {
    /** Besides the default; they sign for the clients registered for them. */
    readonly additionalAlgorithms: readonly AsymmetricAlgorithm[];
  };
  readonly tokens: {
    readonly accessTokenSeconds: number;
    readonly leewaySeconds: number;
    readonly refreshAbsoluteSeconds: number;
  };
  /** BETTER_AUTH_SECRET: the shared secret of HS256 mode where JWT_SECRET is not set. */
  readonly authSecret: string;
  /** The default audience, which shares the given secret in HS256 mode; null where it is not known yet. */
  readonly audience: string | null;
  /** The vault of the previous key-encryption key: what it sealed is re-encrypted before anything else. */
  readonly previousVault?: Vault | undefined;
};

export type EnsuredKeys = {
  /** Kids created now; empty on every start but the first. */
  readonly created: readonly string[];
  /** What an operator should know; each a sentence. */
  readonly warnings: readonly string[];
};

function keyPolicyOf(settings: EnsureKeysSettings): KeyPolicy {
  const { keys, tokens } = settings;
  return {
    algorithm: defaultAlgorithmOf(keys.algorithm),
    prepublish_seconds: keys.prepublishSeconds,
    rotation_days: keys.rotationDays,
    longest_token_seconds: tokens.accessTokenSeconds,
    leeway_seconds: tokens.leewaySeconds,
    ring_bound_seconds: keys.ringBoundSeconds,
    refresh_seconds: tokens.refreshAbsoluteSeconds,
  };
}

/**
 * Creates what every start needs: a policy, one asymmetric key for each algorithm, one set of server secrets, and in
 * HS256 mode the shared secret. Copies that start concurrently on an empty database create one of each. Nothing rotates here.
 * @throws KeyMaterialError when a sealed value opens neither with this key-encryption key nor with the previous one
 */
export async function ensureKeys(
  ports: Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'>,
  settings: EnsureKeysSettings,
  caller: Caller,
): Promise<EnsuredKeys> {
  const policy = keyPolicyOf(settings);
  await rewrapSealedValues(ports, { previous: settings.previousVault }, caller);
  const { additionalAlgorithms } = settings.keys;
  const spares = await makeTokenKeys(ports, additionalAlgorithms, policy);
  const spareLogKey = await makeLogKey(ports);
  return ports.transact(async (tx) => {
    const nowMs = await lockKeys(tx);
    await assertVaultFits(tx, ports.vault);
    await writePolicy(tx, policy);
    const created = await ensureTokenKeys(tx, spares, additionalAlgorithms, { policy, nowMs, caller });
    const shared = await ensureSharedSecret(ports, tx, settings, { policy, nowMs, caller });
    await keepForLongestToken(tx, policy, nowMs);
    await publishLogKey(tx, spareLogKey, { policy, nowMs, caller });
    await ensureServerSecrets(ports, tx, nowMs, caller);
    const keys = await readKeys(tx);
    return {
      created: [...created, ...shared.created],
      warnings: [...shared.warnings, ...keyWarnings(keys, policy, nowMs)],
    };
  });
}

/** Applies a longer token lifetime to the keys that already sign. */
async function keepForLongestToken(tx: Tx, policy: KeyPolicy, nowMs: number): Promise<void> {
  for (const key of await readKeys(tx)) {
    const isOver = key.compromised_at !== null || (destroysAt(key) ?? nowMs + 1) <= nowMs;
    if (isOver || key.longest_token_seconds >= policy.longest_token_seconds) continue;
    const { signs_until: signsUntil } = key;
    const leaves = signsUntil === null ? null : leavesAt(signsUntil, policy.longest_token_seconds, policy);
    await setKeyRange(tx, key.kid, { ...key, leaves_at: leaves }, policy.longest_token_seconds);
  }
}
