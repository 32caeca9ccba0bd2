import { beforeEach, describe, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { killedEverywhere } from '#tools/testing/processes/killable.ts';
import { openedPhi, phiCopyOf } from './phi-harness.ts';
import type { PhiEnvelope } from './phi-shapes.ts';
import { listPhiKeys, readPhiRotation } from './rotate-encryption-keys.ts';
import { shredPhi } from './shred-phi.ts';

const { harness, ports } = openedPhi();
beforeEach(() => ports.raw`TRUNCATE phi_rotations, phi_data_keys, phi_keys, audit_outbox`);

/** One value for each of several subjects. */
async function valuesOf(subjects: number): Promise<PhiEnvelope[]> {
  const envelopes: PhiEnvelope[] = [];
  for (let at = 0; at < subjects; at += 1) envelopes.push(await harness.encrypt(at, { subject_id: `p-${at}` }));
  return envelopes;
}
const valuesIn = (envelopes: readonly PhiEnvelope[]) =>
  Promise.all(envelopes.map((envelope) => harness.decrypt(envelope)));
const numbers = (count: number) => Array.from({ length: count }, (_, at) => at);
const kekVersions = async (): Promise<number[]> =>
  (await ports.raw<{ v: number }>`SELECT DISTINCT kek_version AS v FROM phi_data_keys ORDER BY v`).map(({ v }) => v);
describe('a rotation', () => {
  test('re-wraps every data key under a new key, destroys the old one, and every value decrypts before, during and after', async () => {
    const envelopes = await valuesOf(5);
    const id = await harness.startRotation();
    expect(await readPhiRotation(ports, { rotation_id: id })).toMatchObject({
      state: 'running',
      key_version: 2,
      data_keys: null,
    });
    expect(await valuesIn(envelopes)).toEqual(numbers(5));
    const shown: number[] = [];
    await harness.rotate({ progress: async (percent) => void shown.push(percent) });
    expect(shown).toEqual([99]);
    expect(await valuesIn(envelopes)).toEqual(numbers(5));
    expect(await kekVersions()).toEqual([2]);
    expect(await readPhiRotation(ports, { rotation_id: id })).toMatchObject({
      state: 'done',
      data_keys: 5,
      rewrapped: 5,
    });
    const { keys } = await listPhiKeys(ports);
    expect(keys.map(({ key_version, state }) => [key_version, state])).toEqual([
      [2, 'current'],
      [1, 'destroyed'],
    ]);
    expect(await ports.raw`SELECT sealed FROM phi_keys WHERE version = 1`).toEqual([{ sealed: '' }]);
    const events = (await harness.events()).filter(({ type }) => type === 'phi.keys_rotated');
    expect(events.map(({ outcome, detail }) => [outcome, detail])).toEqual([
      ['started', { rotation_id: id, reason: 'test' }],
      ['done', { rotation_id: id, rewrapped: 5, destroyed_keys: 1 }],
    ]);
  });

  test('killed at every statement, it loses no value and counts no data key twice; the next run finishes it', async () => {
    const envelopes = await valuesOf(3);
    let kills = 0;
    let target = 1;
    for await (const { killPoint, run } of killedEverywhere({ url: ports.databaseUrl, work: 'rotatePhi' })) {
      const id = await harness.startRotation();
      target += 1;
      if ((await run()) === null) kills += 1;
      expect([killPoint, await valuesIn(envelopes)]).toEqual([killPoint, numbers(3)]);
      await harness.rotate();
      expect([killPoint, await readPhiRotation(ports, { rotation_id: id })]).toMatchObject([
        killPoint,
        { state: 'done', data_keys: 3, rewrapped: 3, key_version: target },
      ]);
      expect([killPoint, await valuesIn(envelopes), await kekVersions()]).toEqual([killPoint, numbers(3), [target]]);
    }
    expect(kills).toBeGreaterThan(10);
  });

  test('aborted between two batches, it continues where it stopped', async () => {
    const envelopes = await valuesOf(2);
    const id = await harness.startRotation();
    const stop = new AbortController();
    stop.abort();
    await harness.rotate({ signal: stop.signal });
    expect(await readPhiRotation(ports, { rotation_id: id })).toMatchObject({
      state: 'running',
      data_keys: 2,
      rewrapped: 0,
    });
    await harness.rotate();
    expect(await readPhiRotation(ports, { rotation_id: id })).toMatchObject({ state: 'done', rewrapped: 2 });
    expect(await valuesIn(envelopes)).toEqual([0, 1]);
  });

  test('while values are encrypted, decrypted and shredded by another process, nothing is lost and nothing revives', async () => {
    const other = phiCopyOf(ports);
    const kept = await valuesOf(20);
    const doomed = await Promise.all(numbers(10).map((at) => other.encrypt(at, { subject_id: `doomed-${at}` })));
    const id = await harness.startRotation();
    const [, later] = await Promise.all([
      harness.rotate(),
      Promise.all(numbers(20).map((at) => other.encrypt(at, { subject_id: `later-${at}` }))),
      Promise.all(
        numbers(10).map((at) => shredPhi(ports, { subject_id: `doomed-${at}`, reason: 'requested' }, testCaller)),
      ),
      valuesIn(kept),
    ]);
    await harness.rotate();
    expect(await readPhiRotation(ports, { rotation_id: id })).toMatchObject({ state: 'done' });
    expect([await valuesIn(kept), await valuesIn(later)]).toEqual([numbers(20), numbers(20)]);
    for (const each of doomed) await expect(other.decrypt(each)).rejects.toMatchObject({ code: 'phi_shredded' });
    expect(await ports.raw`SELECT 1 FROM phi_data_keys WHERE kek_version = 1`).toEqual([]);
  });

  test('does not destroy the old key while a data key that was added under it is not re-wrapped', async () => {
    await valuesOf(1);
    const [old] = await ports.raw<{ sealed: string }>`SELECT sealed FROM phi_keys`;
    await harness.startRotation();
    // A slow process: it chose the wrapping key before the rotation began, and inserts only now.
    await ports.raw`INSERT INTO phi_data_keys (id, subject_id, level, version, kek_version, wrapped)
      SELECT gen_random_uuid(), 'slow', level, 1, 1, wrapped FROM phi_data_keys LIMIT 1`;
    // Its row does not open, as the copy of another: the run fails instead of destroying the key.
    await expect(harness.rotate()).rejects.toThrow();
    expect(await ports.raw`SELECT sealed FROM phi_keys WHERE version = 1`).toEqual([old]);
  });

  test('is one at a time: a second request returns the one that runs', async () => {
    await valuesOf(1);
    const [one, two] = await Promise.all([harness.startRotation(), harness.startRotation()]);
    expect(two).toBe(one);
    expect(await ports.raw`SELECT version FROM phi_keys ORDER BY version`).toHaveLength(2);
  });

  test('begins by itself once the key is older than its lifetime, and not before', async () => {
    const [envelope] = (await valuesOf(1)) as [PhiEnvelope];
    await harness.rotate();
    expect(await kekVersions()).toEqual([1]);
    await ports.raw`UPDATE phi_keys SET created_at = created_at - interval '91 days'`;
    await harness.rotate();
    expect(await kekVersions()).toEqual([2]);
    expect(await harness.decrypt(envelope)).toBe(0);
  });

  test('a run that was superseded writes nothing', async () => {
    await valuesOf(1);
    await harness.startRotation();
    const stale = harness.rotate({
      // A newer run begins while this one reports its progress; its last transaction must not commit.
      progress: () => ports.raw`UPDATE job_fences SET fence = fence + 1`.then(() => {}),
    });
    await expect(stale).rejects.toMatchObject({ code: 'run_superseded' });
    expect(await ports.raw`SELECT 1 FROM phi_rotations WHERE state = 'done'`).toEqual([]);
    await harness.rotate();
    expect(await ports.raw`SELECT 1 FROM phi_rotations WHERE state = 'done'`).toHaveLength(1);
  });

  test('an unknown rotation is 404, and without keys the list is empty', async () => {
    await expect(readPhiRotation(ports, { rotation_id: ports.random.uuid() })).rejects.toMatchObject({
      code: 'phi_rotation_unknown',
    });
    expect(await listPhiKeys(ports)).toEqual({ keys: [], rotation: null });
  });
});
