import { beforeEach, describe, expect, test } from 'vitest';
import { clientCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { openBreakGlass } from '../access/break-glass.ts';
import { setFieldPolicy } from '../access/field-policies.ts';
import { openedPhi } from '../phi-harness.ts';
import { listConsents, manageConsentWithdrawal, recordUserConsent, validateUserConsent } from './user-consent.ts';

const { harness, ports } = openedPhi();
beforeEach(
  () => ports.raw`TRUNCATE phi_consents, phi_break_glass, phi_data_keys, phi_rotations, phi_keys, audit_outbox`,
);

const record = (granted: boolean, terms = '2026-01', purpose: 'research' | 'legal' = 'research') =>
  recordUserConsent(ports, { subject_id: 'p-1', purpose, granted, terms }, testCaller);
const isGiven = async (purpose: 'research' | 'legal' = 'research') =>
  (await validateUserConsent(ports, { subject_id: 'p-1', purpose })).granted;
const withdraw = async (purposes?: ('research' | 'legal')[]) =>
  (await manageConsentWithdrawal(ports, { subject_id: 'p-1', purposes, reason: 'asked' }, testCaller)).withdrawn;

describe('consent', () => {
  test('the newest decision counts, none is none, and every version stays', async () => {
    expect(await isGiven()).toBe(false);
    expect(await record(true)).toMatchObject({ version: 1, granted: true });
    expect([await isGiven(), await isGiven('legal')]).toEqual([true, false]);
    await record(false);
    expect(await isGiven()).toBe(false);
    await record(true, '2026-02');
    expect(await isGiven()).toBe(true);
    const kept = (await listConsents(ports, { subject_id: 'p-1' })).consents.map(({ version, granted, terms }) => [
      version,
      granted,
      terms,
    ]);
    expect(kept).toEqual([
      [3, true, '2026-02'],
      [2, false, '2026-01'],
      [1, true, '2026-01'],
    ]);
  });

  test('decisions recorded at once are versions of their own', async () => {
    await Promise.all(Array.from({ length: 4 }, (_, at) => record(at % 2 === 0)));
    const versions = (await listConsents(ports, { subject_id: 'p-1' })).consents.map(({ version }) => version);
    expect(versions.sort()).toEqual([1, 2, 3, 4]);
  });

  test('is append-only for six years: the database refuses to change or delete a version', async () => {
    await record(true);
    for (const statement of ['UPDATE phi_consents SET granted = false', 'DELETE FROM phi_consents'])
      await expect(ports.raw(statement)).rejects.toThrow();
    expect(await isGiven()).toBe(true);
  });

  test('withdrawal ends every consent, or those named, and records each; uses that need it stop', async () => {
    await record(true);
    await record(true, '2026-01', 'legal');
    const encrypted = await harness.encrypt('x', { purpose: 'research' });
    const decrypt = () => harness.decrypt(encrypted, 'research', clientCaller('study'));
    expect(await decrypt()).toBe('x');
    expect(await withdraw(['legal'])).toMatchObject([{ purpose: 'legal', version: 2, granted: false }]);
    expect(await decrypt()).toBe('x');
    expect(await withdraw()).toMatchObject([{ purpose: 'research', version: 2 }]);
    expect(await withdraw()).toEqual([]);
    await expect(decrypt()).rejects.toMatchObject({
      code: 'phi_access_refused',
      options: { members: { reason: 'consent_missing' } },
    });
    const events = await ports.raw`SELECT outcome, detail ->> 'purpose' AS purpose FROM audit_outbox
      WHERE type = 'phi.consent_recorded' ORDER BY id`;
    expect(events).toEqual([
      { outcome: 'granted', purpose: 'research' },
      { outcome: 'granted', purpose: 'legal' },
      { outcome: 'withdrawn', purpose: 'legal' },
      { outcome: 'withdrawn', purpose: 'research' },
    ]);
  });

  test('neither a policy nor emergency access replaces the consent that research requires', async () => {
    const encrypted = await harness.encrypt('x', { purpose: 'research' });
    const authTime = Math.floor(Date.now() / 1_000);
    const researcher = userCaller('r-1', { roles: ['auditor'], authTime });
    await setFieldPolicy(ports, { role: 'auditor', purpose: 'research', fields: ['*'], reason: 'x' }, testCaller);
    await openBreakGlass(ports, { subject_id: 'p-1', minutes: 5, reason: 'x' }, researcher);
    const decrypt = () => harness.decrypt(encrypted, 'research', researcher);
    await expect(decrypt()).rejects.toMatchObject({ code: 'phi_access_refused' });
    await record(true);
    expect(await decrypt()).toBe('x');
  });
});
