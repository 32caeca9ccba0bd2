import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { compromiseKey } from './compromise-key.ts';
import { type KeyHarness, keySettings, openKeyHarness } from './key-harness.ts';
import { listKeys } from './list-keys.ts';
import { makeReplacements, replaceAllKeys } from './replace-all-keys.ts';
import { rotateSigningKeys } from './rotate-signing-keys.ts';

let harness: KeyHarness;
beforeAll(async () => {
  harness = await openKeyHarness();
});
afterAll(() => harness?.close());
beforeEach(() => harness.empty());

describe('compromise', () => {
  beforeEach(() => harness.start());

  test('one transaction destroys the private key, writes revocation and audit rows, and publishes a replacement that signs immediately', async () => {
    const [before] = await harness.keyRows();
    const kid = before?.id ?? '';
    const answer = await compromiseKey(harness.ports, { kid, reason: 'laptop stolen' }, testCaller);
    expect(answer.key).toMatchObject({ kid, state: 'compromised', compromise_reason: 'laptop stolen' });
    expect(answer.signer).toMatchObject({ state: 'active', alg: 'EdDSA' });
    expect(answer.notice).toMatch(/signs immediately, without the hold period/);
    const rows = await harness.keyRows();
    expect(rows.find((row) => row.id === kid)).toMatchObject({ privateKey: '', compromised: true });
    expect(rows.find((row) => row.id === answer.signer?.kid)).toMatchObject({ from: before?.from, until: null });
    const revocations = await harness.ports.raw(
      'SELECT kind, value, reason, epoch IS NOT NULL AS numbered FROM revocations',
    );
    expect(revocations).toEqual([{ kind: 'key', value: kid, reason: 'key_compromised', numbered: true }]);
    expect(await harness.eventsOf('key.compromised')).toMatchObject([
      { target_id: kid, detail: { reason: 'laptop stolen', replaced_by: answer.signer?.kid } },
    ]);
    expect(harness.changes()).toBe(1);
  });

  test('repeated or concurrent calls answer the same and change nothing more', async () => {
    const kid = (await harness.keyRows())[0]?.id ?? '';
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => compromiseKey(harness.ports, { kid, reason: 'r' }, testCaller)),
    );
    answers.push(await compromiseKey(harness.ports, { kid, reason: 'another' }, testCaller));
    expect(new Set(answers.map((answer) => JSON.stringify([answer.key, answer.signer?.kid, answer.notice]))).size).toBe(
      1,
    );
    expect(await harness.keyRows()).toHaveLength(2);
    expect(await harness.eventsOf('key.compromised')).toHaveLength(1);
    expect(harness.changes()).toBe(1);
  });

  test('a pending successor starts earlier instead of a third key', async () => {
    const kid = (await harness.keyRows())[0]?.id ?? '';
    const { key: next } = await rotateSigningKeys(harness.ports, {}, testCaller);
    const answer = await compromiseKey(harness.ports, { kid, reason: 'r' }, testCaller);
    expect(answer.signer).toMatchObject({ kid: next.kid, state: 'active' });
    expect(await harness.keyRows()).toHaveLength(2);
  });

  test('a compromised pending key never signs: the active key continues', async () => {
    const active = (await harness.keyRows())[0]?.id ?? '';
    const { key: next } = await rotateSigningKeys(harness.ports, {}, testCaller);
    const answer = await compromiseKey(harness.ports, { kid: next.kid, reason: 'r' }, testCaller);
    expect(answer).toMatchObject({ signer: { kid: active, signs_until: null, leaves_at: null } });
    expect(answer.notice).toMatch(/unchanged/);
    expect(await rotateSigningKeys(harness.ports, {}, testCaller)).toMatchObject({ outcome: 'publish' });
  });

  test('a compromised retiring key is rejected without a change of signer', async () => {
    const kid = (await harness.keyRows())[0]?.id ?? '';
    const { key: next } = await rotateSigningKeys(harness.ports, {}, testCaller);
    await harness.age(120);
    const answer = await compromiseKey(harness.ports, { kid, reason: 'r' }, testCaller);
    expect(answer).toMatchObject({ key: { state: 'compromised' }, signer: { kid: next.kid } });
    expect(await harness.keyRows()).toHaveLength(2);
  });

  test('an unknown kid is 404 and changes nothing', async () => {
    await expect(compromiseKey(harness.ports, { kid: 'unknown', reason: 'r' }, testCaller)).rejects.toMatchObject({
      code: 'key_unknown',
    });
    expect(await harness.keyRows()).toHaveLength(1);
  });

  test('after any sequence of rotations and compromises the ranges meet and one key signs now', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.record({ kind: fc.constant('rotate' as const), seconds: fc.constantFrom(0, 30, 90) }),
            fc.record({
              kind: fc.constant('compromise' as const),
              index: fc.nat(6),
              seconds: fc.constantFrom(0, 30, 90),
            }),
          ),
          { minLength: 1, maxLength: 6 },
        ),
        async (steps) => {
          await harness.ports.raw('TRUNCATE jwks');
          await harness.start();
          for (const step of steps) {
            await harness.age(step.seconds);
            const rows = await harness.keyRows();
            if (step.kind === 'rotate') await rotateSigningKeys(harness.ports, {}, testCaller);
            else
              await compromiseKey(
                harness.ports,
                { kid: rows[step.index % rows.length]?.id ?? '', reason: 'r' },
                testCaller,
              );
          }
          const views = await listKeys(harness.ports);
          expect(views.filter((view) => view.state === 'active')).toHaveLength(1);
          expect(views.filter((view) => view.state === 'pending').length).toBeLessThanOrEqual(1);
          const planned = (await harness.keyRows()).filter(
            (row) => !row.compromised && (row.until === null || row.until > Date.now()),
          );
          for (const [index, row] of planned.entries()) expect(row.until).toBe(planned[index + 1]?.from ?? null);
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('a restored database', () => {
  test('every live key is compromised and one new key per purpose signs, in the caller’s transaction', async () => {
    await harness.start(keySettings({ algorithm: 'HS256' }));
    await rotateSigningKeys(harness.ports, {}, testCaller);
    const before = (await harness.keyRows()).map((row) => row.id);
    const replacements = await makeReplacements(harness.ports);
    const { compromised, created } = await harness.ports.transact((tx) =>
      replaceAllKeys(harness.ports, tx, replacements, 'restored', testCaller),
    );
    expect([...compromised].sort()).toEqual([...before].sort());
    expect(created).toHaveLength(2);
    const views = await listKeys(harness.ports);
    expect(
      views
        .filter((view) => view.state === 'active')
        .map((view) => view.kid)
        .sort(),
    ).toEqual([...created].sort());
    expect(views.filter((view) => view.state === 'compromised')).toHaveLength(3);
    expect(await harness.ports.raw('SELECT 1 FROM revocations')).toHaveLength(3);
  });
});
