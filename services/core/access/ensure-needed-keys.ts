import { type EnsuredKeys, type EnsureKeysSettings, ensureKeys } from '../keys/ensure-keys.ts';
import { defaultAlgorithmOf } from '../keys/key-timeline.ts';
import type { Caller, Ports } from '../ports.ts';
import { readAlgorithmUses } from './clients.store.ts';

/**
 * What every start does: `ensureKeys` with the algorithms of the settings and those that clients are registered for. A
 * client must not lose its tokens because a setting was removed, or because a copy restarts with older settings during a
 * rollout. Such algorithms are among the warnings.
 * @throws KeyMaterialError
 */
export async function ensureNeededKeys(
  ports: Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'>,
  settings: EnsureKeysSettings,
  caller: Caller,
): Promise<EnsuredKeys> {
  const { algorithm, additionalAlgorithms: listed } = settings.keys;
  const byDefault = defaultAlgorithmOf(algorithm);
  const unlisted = (await readAlgorithmUses(ports.sql)).filter(
    (use) => use.algorithm !== byDefault && !listed.includes(use.algorithm),
  );
  const additionalAlgorithms = [...listed, ...unlisted.map((use) => use.algorithm)];
  const { created, warnings } = await ensureKeys(
    ports,
    { ...settings, keys: { ...settings.keys, additionalAlgorithms } },
    caller,
  );
  const kept = unlisted.map(
    (use) =>
      `JWT_ADDITIONAL_ALGORITHMS does not list ${use.algorithm}, but clients are registered for it (${use.clients}): its keys keep signing`,
  );
  return { created, warnings: [...kept, ...warnings] };
}
