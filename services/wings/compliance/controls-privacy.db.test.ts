import { expect, onTestFinished, test } from 'vitest';
import { controlHarness, controlOf, type PrivacyScenes } from './control-scenes-harness.ts';

const { harness, run, past } = controlHarness();
const UUID = /^[0-9a-f-]{36}$/;
const DISCLOSURE = '01890000-0000-7000-8000-000000000001';
const insertDisclosure = `INSERT INTO phi_disclosures (id, subject_id, purpose, disclosed_at, encrypted)
  VALUES ('${DISCLOSURE}', 'p1', 'legal', now(), '{}')`;
const consent = (version: number, granted: boolean, ago: string): string =>
  `INSERT INTO phi_consents (id, subject_id, purpose, version, granted, terms, recorded_at)
   VALUES (gen_random_uuid(), 'study', 'research', ${version}, ${granted}, 'x', now() - interval '${ago}')`;

/** A sealed event about a person. */
async function emitUse(subjectId: string, detail: object, type = 'phi.decrypted'): Promise<void> {
  await harness.raw`INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, detail)
    VALUES (${type}, 'ok', 'system', 'test', 'subject', ${subjectId}, ${JSON.stringify(detail)}::jsonb)`;
  await harness.seal();
}

/** A defect that changes rows on their way into a table. */
const rewriteInserts = (table: string, change: string): Promise<void> =>
  run(
    `CREATE FUNCTION test_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${change}; RETURN NEW; END $$`,
    `CREATE TRIGGER test_rewrite BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION test_rewrite()`,
  );
const keepInserts = (table: string): Promise<void> =>
  run(`DROP TRIGGER test_rewrite ON ${table}`, 'DROP FUNCTION test_rewrite()');

const scenes: PrivacyScenes = {
  'minimum-necessary-applied': {
    breakIt: () => rewriteInserts('phi_field_policies', `NEW.fields := '{*}'`),
    names: 'purpose with a policy',
    repair: () => keepInserts('phi_field_policies'),
  },
  'field-policies-limited': {
    breakIt: () => run(`INSERT INTO phi_field_policies (role, purpose, fields) VALUES ('auditor', 'payment', '{*}')`),
    names: 'auditor payment',
    repair: () => run(`DELETE FROM phi_field_policies WHERE role = 'auditor'`),
  },
  'restrictions-enforced': {
    healthy: () =>
      run(
        `INSERT INTO phi_restrictions (id, subject_id, purposes, created_at)
         VALUES (gen_random_uuid(), 'restricted', '{payment}', now() - interval '1 hour')`,
      ),
    breakIt: async () => {
      await emitUse('restricted', { purpose: 'payment', basis: 'break_glass' });
      expect((await harness.check(controlOf('restrictions-enforced'))).status).toBe('pass');
      await emitUse('restricted', { purpose: 'payment', basis: 'client' });
    },
    names: UUID,
  },
  'access-requests-answered': {
    healthy: () => run(`INSERT INTO phi_requests (id, kind, subject_id) VALUES (gen_random_uuid(), 'export', 'p1')`),
    breakIt: () => run(`UPDATE phi_requests SET due_at = now() - interval '1 hour'`),
    names: UUID,
    repair: () => run(`UPDATE phi_requests SET due_at = now() + interval '1 day'`),
  },
  'disclosures-recorded': {
    healthy: async () => {
      await run(insertDisclosure);
      await emitUse('p1', { disclosure_id: DISCLOSURE, disclosed_at: new Date().toISOString() }, 'phi.disclosed');
    },
    breakIt: () => past('DELETE FROM phi_disclosures'),
    names: /^event \d+$/,
    repair: () => run(insertDisclosure),
  },
  'emergency-access-works': {
    breakIt: () => rewriteInserts('phi_break_glass', `NEW.subject_id := 'elsewhere'`),
    names: 'during the access',
    repair: () => keepInserts('phi_break_glass'),
  },
  'emergency-access-reviewed': {
    healthy: () =>
      run(
        `INSERT INTO phi_break_glass (id, user_id, subject_id, expires_at)
         VALUES (gen_random_uuid(), 'ada', 'p1', clock_timestamp() + interval '1 hour')`,
      ),
    breakIt: () =>
      run(
        `UPDATE phi_break_glass SET opened_at = opened_at - interval '73 hours', expires_at = expires_at - interval '73 hours'`,
      ),
    names: UUID,
    repair: () => run(`UPDATE phi_break_glass SET outcome = 'justified', reviewed_at = now(), reviewed_by = 'bob'`),
  },
  'research-consented': {
    healthy: async () => {
      await run(consent(1, true, '2 hours'));
      await emitUse('study', { purpose: 'research', basis: 'client' });
    },
    breakIt: () => run(consent(2, false, '1 hour')),
    names: /^\d+$/,
    repair: () => past('DELETE FROM phi_consents WHERE version = 2'),
  },
  'privacy-records-kept': {
    breakIt: () => run('ALTER TABLE phi_consents DISABLE TRIGGER phi_consents_kept'),
    names: 'no enabled trigger refuses DELETE of phi_consents',
    repair: () => run('ALTER TABLE phi_consents ENABLE TRIGGER phi_consents_kept'),
  },
  'retention-applied': {
    breakIt: () =>
      run(
        `INSERT INTO phi_restrictions (id, subject_id, purposes, ended_at)
         VALUES (gen_random_uuid(), 'long-gone', '{legal}', now() - interval '2200 days')`,
      ),
    names: 'restrictions',
    repair: () => run(`INSERT INTO legal_holds (id, subject_id) VALUES (gen_random_uuid(), 'long-gone')`),
  },
};

test.each(Object.entries(scenes))(
  '%s is green while the rules about health data are applied, and red when one is not',
  (name, scene) => harness.expectRed(name, scene),
);

test.each([
  ['restrictions-enforced', 'phi_restrictions', 'NEW.ended_at := now()', 'decision for a user'],
  ['restrictions-enforced', 'phi_restrictions', 'NEW.ended_at := now()', 'decision for a client'],
])('a defect in the rule turns %s red, whatever the log says (%s, %s)', async (name, table, change, resource) => {
  await rewriteInserts(table, change);
  onTestFinished(() => keepInserts(table));
  const { exceptions } = await harness.check(controlOf(name));
  expect(exceptions).toContainEqual(expect.objectContaining({ resource }));
});

test('a disclosure that the audit log does not name turns disclosures-recorded red', async () => {
  const id = '01890000-0000-7000-8000-000000000002';
  await run(
    `INSERT INTO phi_disclosures (id, subject_id, purpose, disclosed_at, recorded_at, encrypted)
     VALUES ('${id}', 'p1', 'legal', now(), now() - interval '1 hour', '{}')`,
  );
  const { status, exceptions } = await harness.check(controlOf('disclosures-recorded'));
  expect([status, exceptions.map(({ resource }) => resource)]).toEqual(['fail', [`disclosure ${id}`]]);
  await past(`DELETE FROM phi_disclosures WHERE id = '${id}'`);
});

test('a probe leaves no row behind', async () => {
  const count = async () =>
    (
      await harness.raw`SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM audit_outbox) AS events,
        (SELECT count(*) FROM phi_restrictions) + (SELECT count(*) FROM phi_break_glass) AS access,
        (SELECT array_agg(p::text ORDER BY p::text) FROM phi_field_policies p) AS policies`
    )[0];
  const before = await count();
  const probes = ['minimum-necessary-applied', 'restrictions-enforced', 'emergency-access-works'];
  for (const name of ['idle-sessions-refused', 'disabling-ends-access', 'guessing-locks-accounts', ...probes])
    await harness.check(controlOf(name));
  expect(await count()).toEqual(before);
});
