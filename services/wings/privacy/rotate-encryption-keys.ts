import { phiOperations } from '#observability/metrics/privacy.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import { lockSealing } from '#services/core/keys/secrets/lock-sealing.ts';
import { phiKeyContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Caller, JobRun, Ports, Tx } from '#services/core/ports.ts';
import type { Question } from '#services/platform/define/question.ts';
import { phiRotated } from './audit-events.ts';
import type { PhiKeyView, PhiRotationView } from './contract.ts';
import { phiRotationUnknown } from './errors.ts';
import { unwrapDataKey, wrapDataKey } from './phi-envelope.ts';
import {
  countOlderDataKeys,
  countRotation,
  destroyOlderPhiKeys,
  finishRotation,
  insertRotation,
  listPhiKeyRows,
  type OlderDataKey,
  phiRotationIsDue,
  readLastRotation,
  readNewestPhiKey,
  readOlderDataKeys,
  readPhiKeys,
  readRotation,
  readRunningRotation,
  rewrapDataKeys,
} from './phi-keys.store.ts';
import { addPhiKey, phiKeysOf } from './phi-keys.ts';
import { NONCE_BYTES, type XaesKey } from './xaes-256-gcm.ts';

/** Requests the job that re-wraps; never fails, because the timetable runs it anyway. */
export type HasRotationWake = { readonly wakePhiRotation: () => void };

/** Keeps a transaction below a tenth of a second. */
const BATCH_KEYS = 1_000;
const DAY_SECONDS = 86_400;
/** Shorter than the time limit of the job: a long rotation is several runs. */
const RUN_MS = 900_000;

type StartPorts = Pick<Ports, 'transact' | 'vault' | 'random'>;

/**
 * Creates the next key-encryption key and starts re-wrapping under it. While a rotation runs, that one is returned.
 * Throws KeyMaterialError when this process has an old key-encryption key.
 */
export const rotatePhiKeys = (
  ports: StartPorts & HasRotationWake,
  { reason }: { readonly reason: string },
  caller: Caller,
): Promise<PhiRotationView> =>
  ports.transact(async (tx) => {
    await lockSealing(tx, ports.vault);
    tx.afterCommit(ports.wakePhiRotation);
    return (await readRunningRotation(tx)) ?? (await startRotation(ports, tx, reason, caller));
  });

/** The caller holds the sealing lock. */
async function startRotation(ports: StartPorts, tx: Tx, reason: string, caller: Caller): Promise<PhiRotationView> {
  const version = (await addPhiKey(ports, tx, caller)) as number;
  const rotation = await insertRotation(tx, ports.random.uuid(), version);
  await recordEvent(tx, caller, phiRotated, {
    outcome: 'started',
    target: { kind: 'key', id: phiKeyContext(version) },
    detail: { rotation_id: rotation.rotation_id, reason },
  });
  return rotation;
}

/** Throws `phi_rotation_unknown` (404). */
export async function readPhiRotation(
  { sql }: Pick<Ports, 'sql'>,
  input: { readonly rotation_id: string },
): Promise<PhiRotationView> {
  const row = await readRotation(sql, input.rotation_id);
  if (row === undefined) throw phiRotationUnknown();
  return row;
}

/** The newest hundred keys, newest first, and the last rotation. */
export async function listPhiKeys({
  sql,
}: Pick<Ports, 'sql'>): Promise<{ keys: PhiKeyView[]; rotation: PhiRotationView | null }> {
  const [rows, rotation] = await Promise.all([listPhiKeyRows(sql), readLastRotation(sql)]);
  const stateOf = (isDestroyed: boolean, at: number): PhiKeyView['state'] => {
    if (isDestroyed) return 'destroyed';
    return at === 0 ? 'current' : 'retiring';
  };
  return {
    keys: rows.map((row, at) => ({
      key_version: row.version,
      state: stateOf(row.is_destroyed, at),
      created_at: row.created_at,
      destroyed_at: row.destroyed_at,
    })),
    rotation: rotation ?? null,
  };
}

export const rotationIsDue = ({ rotationDays }: { readonly rotationDays: number }): Question =>
  phiRotationIsDue(rotationDays * DAY_SECONDS);

/**
 * One run of the job: starts a rotation when the key is due, and re-wraps data keys in batches until none is left under
 * an older key, which it then destroys. Values stay readable throughout. A run that is killed or aborted loses nothing:
 * the next one continues with the data keys that are left.
 */
export async function rotateEncryptionKeys(
  ports: Pick<Ports, 'transact' | 'sql' | 'vault' | 'random' | 'clock'>,
  { rotationDays }: { readonly rotationDays: number },
  { fence, signal, progress, caller }: Pick<JobRun, 'fence' | 'signal' | 'progress' | 'caller'>,
): Promise<void> {
  const running = (await readRunningRotation(ports.sql)) ?? (await startWhenDue());
  if (running === undefined) return;
  const phiKeys = phiKeysOf(ports);
  const dataKeys = running.data_keys ?? (await countOnce(running));
  const keks = new Map((await readPhiKeys(ports.sql)).map((row) => [row.version, phiKeys.open(row)]));
  const target = keks.get(running.key_version) as XaesKey;
  const endsAt = ports.clock.monotonic() + RUN_MS;
  while (!signal.aborted && ports.clock.monotonic() < endsAt) {
    const older = await readOlderDataKeys(ports.sql, running.key_version, BATCH_KEYS);
    if (older.length === 0) {
      if (await finish(running)) return;
      // A data key was added under the older key since: re-wrap it too.
      continue;
    }
    const renewed = older.map((row) => rewrapped(ports, row, keks.get(row.kek_version) as XaesKey, target));
    const done = await ports.transact(async (tx) => {
      await fence.hold(tx);
      return rewrapDataKeys(tx, running, renewed);
    });
    phiOperations.add(renewed.length, { operation: 'rewrap', outcome: 'ok' });
    await progress(Math.min(99, Math.floor((100 * done) / Math.max(1, dataKeys))));
  }

  async function startWhenDue(): Promise<PhiRotationView | undefined> {
    const newest = await readNewestPhiKey(ports.sql, rotationDays * DAY_SECONDS);
    if (!newest?.is_due) return undefined;
    return ports.transact(async (tx) => {
      await fence.hold(tx);
      await lockSealing(tx, ports.vault);
      return (await readRunningRotation(tx)) ?? startRotation(ports, tx, 'due', caller);
    });
  }

  async function countOnce({ rotation_id: id, key_version: targetVersion }: PhiRotationView): Promise<number> {
    const count = await countOlderDataKeys(ports.sql, targetVersion);
    await ports.transact(async (tx) => {
      await fence.hold(tx);
      await countRotation(tx, id, count);
    });
    return count;
  }

  /** False when an older key still wraps a data key. */
  function finish({ rotation_id: id, key_version: targetVersion }: PhiRotationView): Promise<boolean> {
    return ports.transact(async (tx) => {
      await fence.hold(tx);
      const destroyed = await destroyOlderPhiKeys(tx, targetVersion);
      if ((await readOlderDataKeys(tx, targetVersion, 1)).length > 0) return false;
      const row = await finishRotation(tx, id);
      if (row)
        await recordEvent(tx, caller, phiRotated, {
          outcome: 'done',
          target: { kind: 'key', id: phiKeyContext(targetVersion) },
          detail: { rotation_id: id, rewrapped: row.rewrapped, destroyed_keys: destroyed },
        });
      return true;
    });
  }
}

function rewrapped(
  { random }: Pick<Ports, 'random'>,
  { id, wrapped: before, subject_id: subjectId, level, version }: OlderDataKey,
  from: XaesKey,
  to: XaesKey,
) {
  const place = { subjectId, level, version };
  const key = unwrapDataKey(from, before, place);
  const wrapped = wrapDataKey(to, key, place, random.bytes(NONCE_BYTES));
  key.fill(0);
  return { id, before, wrapped };
}
