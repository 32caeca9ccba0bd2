import { beforeAll, expect, test } from 'vitest';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { HIPAAComplianceService } from './hipaa-compliance-service.ts';

const ports = opened(() => openTestPorts());
let service: HIPAAComplianceService;
beforeAll(async () => {
  service = new HIPAAComplianceService({
    ...ports,
    wings: { leftOut: [] },
    stepUp: { maxAgeSeconds: 600, needsSecondFactor: false, clock: ports.clock },
    wakePhiRotation: () => {},
    wakeRetention: () => {},
  });
});

const use = { subjectId: 'p-1', purpose: 'treatment' } as const;
const clinician = { userId: 'nurse-1', roles: ['clinician'], authTime: Math.floor(Date.now() / 1_000) };

test('encrypts, decrypts and rotates, and the audit log names the service or the user', async () => {
  const encrypted = await service.encryptPHI({ diagnosis: 'x' }, 'high', use);
  expect(await service.rotateEncryptionKeys('yearly')).toMatchObject({ state: 'running' });
  expect(await service.decryptPHI(encrypted, 'treatment', clinician)).toEqual({ diagnosis: 'x' });
  expect(await outcomeOf(service.decryptPHI({ ...encrypted, subject_id: 'p-2' }, 'treatment'))).toBe('phi_unreadable');
  await service.logPHIAccess(clinician, 'print', { ...use, reference: 'chart/7' });
  const actors = await ports.raw`SELECT type, actor_kind, actor_id FROM audit_outbox
    WHERE type IN ('phi.encrypted', 'phi.accessed') ORDER BY id`;
  expect(actors).toEqual([
    { type: 'phi.encrypted', actor_kind: 'system', actor_id: 'compliance-service' },
    { type: 'phi.accessed', actor_kind: 'user', actor_id: 'nurse-1' },
  ]);
});

test('decides access by the policies of the roles, and stops what a withdrawn consent allowed', async () => {
  const clerk = { ...clinician, roles: ['auditor'] };
  const data = { diagnosis: 'x' };
  expect(await service.applyMinimumNecessaryPrinciple(clinician, use, data)).toEqual(data);
  expect(await outcomeOf(service.applyMinimumNecessaryPrinciple(clerk, use, data))).toBe('phi_access_refused');
  const study = { subjectId: 'p-1', purpose: 'research' } as const;
  await ports.raw`INSERT INTO phi_field_policies (role, purpose, fields) VALUES ('clinician', 'research', '{*}')`;
  const isAllowed = async (): Promise<boolean> =>
    (await service.validateDataAccessRequest({ ...study, requester: clinician })).allowed;
  expect(await isAllowed()).toBe(false);
  await service.recordUserConsent('p-1', { purpose: 'research', granted: true, terms: '2026-01' });
  expect([await isAllowed(), await service.validateUserConsent('p-1', 'research')]).toEqual([true, true]);
  await service.manageConsentWithdrawal('p-1', 'asked');
  expect([await isAllowed(), await service.validateUserConsent('p-1', 'research')]).toEqual([false, false]);
});
