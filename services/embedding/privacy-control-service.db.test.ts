import { beforeAll, describe, expect, test } from 'vitest';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { PrivacyControlService } from './privacy-control-service.ts';

const ports = opened(() => openTestPorts());
let service: PrivacyControlService;
let wakes = 0;
beforeAll(async () => {
  const wake = (): void => {
    wakes += 1;
  };
  service = new PrivacyControlService({
    ...ports,
    wings: { leftOut: [] },
    stepUp: { maxAgeSeconds: 600, needsSecondFactor: false, clock: ports.clock },
    wakePhiRotation: wake,
    wakeRetention: wake,
  });
  await ports.raw`INSERT INTO phi_field_policies (role, purpose, fields) VALUES ('auditor', 'payment', '{cost}')`;
});

const authTime = Math.floor(Date.now() / 1_000);
const nurse = { userId: 'nurse-1', roles: ['clinician'], authTime };
const clerk = { userId: 'clerk-1', roles: ['auditor'], authTime };
const treatment = { subjectId: 'p-1', purpose: 'treatment' } as const;
const payment = { subjectId: 'p-1', purpose: 'payment' } as const;

describe('PrivacyControlService', () => {
  test('encryptPHI and decryptPHI pass any value through, for the application or for a user', async () => {
    for (const level of ['standard', 'high'] as const) {
      const encrypted = await service.encryptPHI({ a: [1, null] }, level, treatment);
      expect(await service.decryptPHI(encrypted, 'treatment')).toEqual({ a: [1, null] });
      expect(await service.decryptPHI(encrypted, 'treatment', nurse)).toEqual({ a: [1, null] });
      expect(await outcomeOf(service.decryptPHI(encrypted, 'treatment', clerk))).toBe('phi_access_refused');
    }
    const actors =
      await ports.raw`SELECT DISTINCT actor_kind, actor_id FROM audit_outbox WHERE type = 'phi.decrypted' ORDER BY 2`;
    expect(actors).toEqual([
      { actor_kind: 'user', actor_id: 'clerk-1' },
      { actor_kind: 'user', actor_id: 'nurse-1' },
      { actor_kind: 'system', actor_id: 'privacy-service' },
    ]);
  });

  test('applyMinimumNecessaryPrinciple and validateDataAccessRequest follow the policies of the roles', async () => {
    const data = { cost: 5, diagnosis: 'x' };
    expect(await service.applyMinimumNecessaryPrinciple(clerk, payment, data)).toEqual({ cost: 5 });
    expect(await outcomeOf(service.applyMinimumNecessaryPrinciple(nurse, payment, data))).toBe('phi_access_refused');
    const request = { ...payment, requester: clerk, fields: ['diagnosis'] };
    expect(await service.validateDataAccessRequest(request)).toMatchObject({ reason: 'field_not_permitted' });
  });

  test('logPHIAccess records the reference, and nothing else of the data', async () => {
    const eventId = await service.logPHIAccess(nurse, 'view', { ...treatment, reference: 'chart/7' });
    const [event] = await ports.raw`SELECT actor_id, detail FROM audit_outbox WHERE event_id = ${eventId}`;
    expect(event).toEqual({
      actor_id: 'nurse-1',
      detail: { purpose: 'treatment', action: 'view', reference: 'chart/7' },
    });
  });

  test('consent is recorded, checked and withdrawn', async () => {
    expect(await service.validateUserConsent('p-1', 'research')).toBe(false);
    await service.recordUserConsent('p-1', { purpose: 'research', granted: true, terms: '2026-01' });
    expect(await service.validateUserConsent('p-1', 'research')).toBe(true);
    expect(await service.manageConsentWithdrawal('p-1', 'asked')).toMatchObject([{ version: 2, granted: false }]);
    expect(await service.validateUserConsent('p-1', 'research')).toBe(false);
  });

  test('rotations and retention runs are queued, and their job is requested', async () => {
    const before = wakes;
    expect(await service.rotateEncryptionKeys('yearly')).toMatchObject({ state: 'running', key_version: 2 });
    const run = await service.implementDataRetentionPolicies({ isDryRun: true, reason: 'look' });
    expect(run).toMatchObject({ state: 'queued', dry_run: true });
    expect(wakes).toBe(before + 2);
  });
});
