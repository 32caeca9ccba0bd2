import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { erasePersonal } from '#services/core/audit/erase-personal.ts';
import { vkeyOf } from '#services/core/audit/log/note.ts';
import { proveEvent } from '#services/core/audit/read/prove-event.ts';
import { readEvent } from '#services/core/audit/read/read-event.ts';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { readLogKeys } from '#services/core/keys/log/log-keys.ts';
import type { Caller } from '#services/core/ports.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import { openLogHarness, TEST_ORIGIN } from '#tools/testing/harness/log.ts';
import { clientCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { openedPhi, phiCopyOf, stepUpOf } from '../phi-harness.ts';
import { shredPhi } from '../shred-phi.ts';
import { listBreakGlass, openBreakGlass, reviewBreakGlass } from './break-glass.ts';
import { validateDataAccessRequest } from './decide-access.ts';
import { listDisclosures, recordDisclosure } from './disclosures.ts';
import { deleteFieldPolicy, listFieldPolicies, setFieldPolicy } from './field-policies.ts';
import { listPhiUses } from './list-phi-uses.ts';
import { logPhiAccess } from './log-phi-access.ts';
import { processPrivacyRequests, readExport, readPrivacyRequest, requestPrivacyJob } from './privacy-requests.ts';
import { addRestriction, endRestriction, listRestrictions } from './restrictions.ts';

const { harness, ports } = openedPhi();
beforeEach(async () => {
  await ports.raw`TRUNCATE phi_requests, phi_disclosures, phi_break_glass, phi_restrictions, phi_rotations,
    phi_data_keys, phi_keys, audit_outbox`;
  await ports.raw`DELETE FROM phi_field_policies WHERE role <> 'clinician'`;
});

const now = Math.floor(Date.now() / 1_000);
const nurse = userCaller('nurse-1', { roles: ['clinician', 'user'], authTime: now });
const clerk = userCaller('clerk-1', { roles: ['operator'], authTime: now });
const officer = userCaller('officer-1', { roles: ['privacy_officer'], authTime: now });
const RECORD = { name: 'Ada', diagnosis: { code: 'A01', note: 'canary-note' }, visits: [{ at: 'x', cost: 5 }] };
const reason = 'test';
const UNKNOWN = '00000000-0000-7000-8000-000000000000';

describe('minimum necessary', () => {
  test('a user sees the fields of the policies of all roles for the purpose, and nothing without one', async () => {
    const encrypted = await harness.encrypt(RECORD, { purpose: 'payment' });
    await expect(harness.decrypt(encrypted, 'payment', clerk)).rejects.toMatchObject({ code: 'phi_access_refused' });
    await setFieldPolicy(
      ports,
      { role: 'operator', purpose: 'payment', fields: ['visits.cost', 'name'], reason },
      officer,
    );
    expect(await harness.decrypt(encrypted, 'payment', clerk)).toEqual({ name: 'Ada', visits: [{ cost: 5 }] });
    await setFieldPolicy(ports, { role: 'auditor', purpose: 'payment', fields: ['diagnosis.code'], reason }, officer);
    const both = userCaller('clerk-2', { roles: ['operator', 'auditor'], authTime: now });
    expect(await harness.decrypt(encrypted, 'payment', both)).toEqual({
      name: 'Ada',
      diagnosis: { code: 'A01' },
      visits: [{ cost: 5 }],
    });
    await deleteFieldPolicy(ports, { role: 'operator', purpose: 'payment', reason }, officer);
    await expect(harness.decrypt(encrypted, 'payment', clerk)).rejects.toMatchObject({ code: 'phi_access_refused' });
    const refused = (await harness.events()).filter(({ outcome }) => outcome === 'refused');
    expect(refused.map(({ detail }) => detail.code)).toEqual(['phi_access_refused', 'phi_access_refused']);
  });

  test('a client sees the whole value: its application decides for its users', async () => {
    const encrypted = await harness.encrypt(RECORD, { purpose: 'payment' });
    expect(await harness.decrypt(encrypted, 'payment', clientCaller('clinic'))).toEqual(RECORD);
  });

  test('changes of policies are listed and recorded; an unknown role or policy is 404', async () => {
    await setFieldPolicy(ports, { role: 'operator', purpose: 'legal', fields: ['b', 'a', 'b'], reason }, officer);
    expect((await listFieldPolicies(ports)).policies).toContainEqual(
      expect.objectContaining({ role: 'operator', purpose: 'legal', fields: ['a', 'b'] }),
    );
    const gone = { role: 'gone', purpose: 'legal', fields: ['*'], reason } as const;
    await expect(setFieldPolicy(ports, gone, officer)).rejects.toMatchObject({ code: 'field_policy_unknown' });
    await expect(deleteFieldPolicy(ports, gone, officer)).rejects.toMatchObject({ code: 'field_policy_unknown' });
    const events = await ports.raw`SELECT outcome, target_id FROM audit_outbox WHERE type = 'phi.policy_changed'`;
    expect(events).toEqual([{ outcome: 'set', target_id: 'operator' }]);
  });
});

describe('validating a request', () => {
  const ask = (caller: typeof nurse, purpose: 'treatment' | 'payment', fields?: string[]) =>
    validateDataAccessRequest(ports, { subject_id: 'p-1', purpose, fields }, caller);

  test('says what is permitted, on which basis, and why not', async () => {
    await setFieldPolicy(ports, { role: 'operator', purpose: 'payment', fields: ['visits'], reason }, officer);
    expect(await ask(nurse, 'treatment', ['diagnosis'])).toEqual({
      allowed: true,
      fields: ['diagnosis'],
      refused_fields: [],
      basis: 'policy',
      reason: null,
    });
    expect(await ask(clerk, 'payment', ['visits.cost', 'diagnosis'])).toEqual({
      allowed: false,
      fields: ['visits.cost'],
      refused_fields: ['diagnosis'],
      basis: 'policy',
      reason: 'field_not_permitted',
    });
    expect(await ask(clerk, 'payment')).toMatchObject({ allowed: true, fields: ['visits'] });
    expect(await ask(clerk, 'treatment', ['name'])).toEqual({
      allowed: false,
      fields: [],
      refused_fields: ['name'],
      basis: null,
      reason: 'purpose_not_permitted',
    });
  });
});

describe('restrictions', () => {
  test('deny these purposes to users and clients until they end', async () => {
    const encrypted = await harness.encrypt('x');
    const added = await addRestriction(
      ports,
      { subject_id: 'p-1', purposes: ['treatment', 'treatment'], reason },
      officer,
    );
    for (const caller of [nurse, clientCaller('clinic')])
      await expect(harness.decrypt(encrypted, 'treatment', caller)).rejects.toMatchObject({
        code: 'phi_access_refused',
        options: { members: { reason: 'restricted' } },
      });
    const other = await harness.encrypt('y', { subject_id: 'p-2' });
    expect(await harness.decrypt(other, 'treatment', nurse)).toBe('y');
    const place = { subject_id: 'p-1', restriction_id: added.restriction_id, reason };
    await endRestriction(ports, place, officer);
    expect(await harness.decrypt(encrypted, 'treatment', nurse)).toBe('x');
    await expect(endRestriction(ports, place, officer)).rejects.toMatchObject({ code: 'restriction_unknown' });
    expect((await listRestrictions(ports, { subject_id: 'p-1' })).restrictions).toMatchObject([
      { restriction_id: added.restriction_id, purposes: ['treatment'], ended_at: expect.any(String) },
    ]);
  });

  test('of a person who has no encrypted values are 404', async () => {
    const unknown = addRestriction(ports, { subject_id: 'typo', purposes: ['legal'], reason }, officer);
    await expect(unknown).rejects.toMatchObject({ code: 'phi_subject_unknown' });
  });
});

describe('emergency access', () => {
  const open = (caller: typeof nurse = clerk) =>
    openBreakGlass(ports, { subject_id: 'p-1', minutes: 30, reason: 'unconscious' }, caller);

  test('opens the values of one person to one user for a limited time, over policies and restrictions', async () => {
    const encrypted = await harness.encrypt(RECORD);
    const other = await harness.encrypt('y', { subject_id: 'p-2' });
    await addRestriction(ports, { subject_id: 'p-1', purposes: ['treatment'], reason }, officer);
    await expect(harness.decrypt(encrypted, 'treatment', clerk)).rejects.toMatchObject({ code: 'phi_access_refused' });
    const { break_glass_id } = await open();
    expect(await harness.decrypt(encrypted, 'treatment', clerk)).toEqual(RECORD);
    await expect(harness.decrypt(other, 'treatment', clerk)).rejects.toMatchObject({ code: 'phi_access_refused' });
    expect(await outcomeOf(harness.decrypt(encrypted, 'treatment', officer))).toBe('phi_access_refused');
    const used = (await harness.events()).find(({ type, outcome }) => type === 'phi.decrypted' && outcome === 'ok');
    expect(used?.detail).toMatchObject({ basis: 'break_glass', break_glass_id });
    await ports.raw`UPDATE phi_break_glass
      SET opened_at = opened_at - interval '1 hour', expires_at = expires_at - interval '1 hour'`;
    await expect(harness.decrypt(encrypted, 'treatment', clerk)).rejects.toMatchObject({ code: 'phi_access_refused' });
  });

  test('is reviewed once, by another user, which ends it', async () => {
    const encrypted = await harness.encrypt('x');
    const { break_glass_id: id } = await open();
    const review = (by: typeof nurse, of = id) =>
      reviewBreakGlass(ports, { break_glass_id: of, outcome: 'unjustified', reason }, by);
    await expect(review(clerk)).rejects.toMatchObject({ code: 'break_glass_reviewed' });
    expect(await harness.decrypt(encrypted, 'treatment', clerk)).toBe('x');
    expect(await review(officer)).toMatchObject({ outcome: 'unjustified', reviewed_by: 'officer-1' });
    await expect(harness.decrypt(encrypted, 'treatment', clerk)).rejects.toMatchObject({ code: 'phi_access_refused' });
    await expect(review(officer)).rejects.toMatchObject({ code: 'break_glass_reviewed' });
    await expect(review(officer, UNKNOWN)).rejects.toMatchObject({ code: 'break_glass_unknown' });
  });

  test('the command line records a review in the name of another user; a client cannot', async () => {
    const { break_glass_id: id } = await open();
    const review = (reviewer: string, by: Caller) =>
      reviewBreakGlass(ports, { break_glass_id: id, outcome: 'justified', reason, reviewer }, by);
    await expect(review('clerk-1', testCaller)).rejects.toMatchObject({ code: 'break_glass_reviewed' });
    expect(() => review('officer-1', clientCaller('clinic'))).toThrow(expect.objectContaining({ code: 'users_only' }));
    expect(await review('officer-1', testCaller)).toMatchObject({ outcome: 'justified', reviewed_by: 'officer-1' });
    const [event] = await ports.raw`SELECT actor_kind, detail ->> 'reviewed_by' AS reviewer FROM audit_outbox
      WHERE type = 'phi.break_glass_reviewed'`;
    expect(event).toEqual({ actor_kind: 'system', reviewer: 'officer-1' });
  });

  test('is for users only, and lists in pages which are not reviewed', async () => {
    for (const attempt of [
      () => openBreakGlass(ports, { subject_id: 'p-1', minutes: 30, reason }, clientCaller('clinic')),
      () => reviewBreakGlass(ports, { break_glass_id: UNKNOWN, outcome: 'justified', reason }, clientCaller('clinic')),
    ])
      expect(attempt).toThrow(expect.objectContaining({ code: 'users_only' }));
    const opened = [await open(), await open(nurse), await open()].map(({ break_glass_id }) => break_glass_id);
    await reviewBreakGlass(ports, { break_glass_id: opened[1] as string, outcome: 'justified', reason }, officer);
    const first = await listBreakGlass(ports, { reviewed: 'false', limit: 1 });
    const rest = await listBreakGlass(ports, { reviewed: 'false', limit: 1, cursor: first.next as string });
    const ids = [...first.break_glass, ...rest.break_glass].map(({ break_glass_id }) => break_glass_id);
    expect(ids).toEqual([opened[2], opened[0]]);
    expect(rest.next).toBeNull();
    expect((await listBreakGlass(ports, { reviewed: 'true', limit: 9 })).break_glass).toHaveLength(1);
  });
});

describe('accounting', () => {
  const disclose = (purpose: 'legal' | 'treatment', disclosedAt = new Date().toISOString()) =>
    recordDisclosure(
      ports,
      {
        subject_id: 'p-1',
        purpose,
        disclosed_at: disclosedAt,
        recipient: 'canary-court',
        description: 'canary-letter',
      },
      nurse,
    );
  const list = () => listDisclosures(ports, { subject_id: 'p-1', limit: 10 });

  test('lists disclosures of six years without routine ones; the words are encrypted, and gone with the keys', async () => {
    await harness.encrypt('x');
    const { disclosure_id } = await disclose('legal');
    await disclose('treatment');
    await disclose('legal', '2015-01-01T00:00:00Z');
    expect((await list()).disclosures).toEqual([
      {
        disclosure_id,
        purpose: 'legal',
        disclosed_at: expect.any(String),
        recipient: 'canary-court',
        description: 'canary-letter',
      },
    ]);
    const stored =
      await ports.raw`SELECT d::text AS row FROM phi_disclosures d UNION ALL SELECT a::text FROM audit_outbox a`;
    expect(JSON.stringify(stored)).not.toContain('canary');
    await shredPhi(ports, { subject_id: 'p-1', reason }, officer);
    expect((await list()).disclosures).toMatchObject([{ disclosure_id, recipient: null, description: null }]);
  });

  test('disclosures are append-only for six years', async () => {
    await harness.encrypt('x');
    await disclose('legal');
    await disclose('legal', '2015-01-01T00:00:00Z');
    for (const statement of [
      `UPDATE phi_disclosures SET purpose = 'treatment'`,
      `DELETE FROM phi_disclosures WHERE disclosed_at > now() - interval '1 day'`,
    ])
      await expect(ports.raw(statement)).rejects.toThrow();
    await ports.raw`DELETE FROM phi_disclosures WHERE disclosed_at < now() - interval '6 years'`;
    expect((await list()).disclosures).toHaveLength(1);
  });

  test('a use by the application is an event with its reference, and returns the event', async () => {
    const access = { subject_id: 'p-1', purpose: 'treatment', action: 'print', reference: 'chart/7' } as const;
    const { event_id } = await logPhiAccess(ports, access, nurse);
    expect(await ports.raw`SELECT type, target_id, detail FROM audit_outbox WHERE event_id = ${event_id}`).toEqual([
      {
        type: 'phi.accessed',
        target_id: 'p-1',
        detail: { purpose: 'treatment', action: 'print', reference: 'chart/7' },
      },
    ]);
  });
});

describe('exports and deletions', () => {
  const own = () => ({ ...ports, stepUp: stepUpOf(ports), wakePrivacyRequests: () => {} });
  const ask = (kind: 'export' | 'deletion') => requestPrivacyJob(own(), { kind, subject_id: 'p-1', reason }, officer);
  const run = async () => {
    const fence = await takeFence(ports.sql, 'process-privacy-requests');
    const caller = { ...officer, kind: 'system', name: 'test' } as never;
    await processPrivacyRequests(own(), { fence, signal: new AbortController().signal, caller });
  };

  test('an export has keys, restrictions and disclosures, and is encrypted at rest', async () => {
    await harness.encrypt('x');
    await addRestriction(ports, { subject_id: 'p-1', purposes: ['research'], reason }, officer);
    await recordDisclosure(
      own(),
      {
        subject_id: 'p-1',
        purpose: 'legal',
        disclosed_at: new Date().toISOString(),
        recipient: 'canary-court',
        description: 'x',
      },
      nurse,
    );
    const { request_id: id, due_at, created_at } = await ask('export');
    expect(Date.parse(due_at) - Date.parse(created_at)).toBe(30 * 86_400_000);
    expect(await outcomeOf(readExport(own(), { request_id: id }, officer))).toBe('privacy_request_unfinished');
    await run();
    const done = await readPrivacyRequest(ports, { request_id: id });
    expect(done).toMatchObject({ state: 'done', summary: { keys: 1, restrictions: 1, disclosures: 1, uses: 0 } });
    expect((await readExport(own(), { request_id: id }, officer)).export).toMatchObject({
      subject_id: 'p-1',
      restrictions: [{ purposes: ['research'] }],
      disclosures: [{ recipient: 'canary-court' }],
    });
    // The level of the data asks, whichever route the request came by.
    for (const [weak, code] of [
      [userCaller('officer-1', { roles: ['privacy_officer'], authTime: now - 3_600 }), 'step_up_required'],
      [userCaller('officer-1', { roles: ['privacy_officer'], authTime: now, by: 'api_key' }), 'api_key_not_accepted'],
    ] as const)
      await expect(readExport(own(), { request_id: id }, weak)).rejects.toMatchObject({ code });
    expect(JSON.stringify(await ports.raw`SELECT r::text FROM phi_requests r`)).not.toContain('canary');
    const [event] = await ports.raw`SELECT type, outcome FROM audit_outbox WHERE event_id = ${done.receipt?.event_id}`;
    expect(event).toEqual({ type: 'phi.request_done', outcome: 'export' });
  });

  test('a deletion destroys the keys once, with a receipt; a second run changes nothing', async () => {
    const encrypted = await harness.encrypt('x');
    const { request_id: id } = await ask('deletion');
    await run();
    await run();
    const done = await readPrivacyRequest(ports, { request_id: id });
    expect(done).toMatchObject({ state: 'done', summary: { destroyed_keys: 1 }, receipt: { seq: null } });
    await expect(harness.decrypt(encrypted)).rejects.toMatchObject({ code: 'phi_shredded' });
    expect(await ports.raw`SELECT 1 FROM audit_outbox WHERE type = 'phi.request_done'`).toHaveLength(1);
  });

  test('an unknown request is 404', async () => {
    expect(await outcomeOf(readPrivacyRequest(ports, { request_id: UNKNOWN }))).toBe('privacy_request_unknown');
    expect(await outcomeOf(readExport(own(), { request_id: UNKNOWN }, officer))).toBe('privacy_request_unknown');
  });
});

const VERIFIER = join(import.meta.dirname, '../../../../tools/verify-audit-log.mjs');

const log = opened(() => openLogHarness());
const folder = testFolder();

/** Runs the offline verifier, which shares no code with the product. */
async function verifyOffline(leaf: Buffer, proof: string): Promise<number | null> {
  const [leafFile, proofFile] = [join(folder, 'leaf'), join(folder, 'proof')];
  await writeFile(leafFile, leaf);
  await writeFile(proofFile, proof);
  const vkeys = (await readLogKeys(log, TEST_ORIGIN)).flatMap((key) => ['--vkey', vkeyOf(key)]);
  const args = [VERIFIER, '--proof', proofFile, '--leaf', leafFile, ...vkeys, '--json'];
  return spawnSync(process.execPath, args, { encoding: 'utf8' }).status;
}

type Opening = { readonly field: string; readonly salt: string; readonly value: string };
/** Computed as docs/explanation/audit-log.md says, without the product's code. */
const commitmentOf = ({ field, salt, value }: Opening): string =>
  createHash('sha256')
    .update(`sallyport/audit/personal/v1\0${field}\0`)
    .update(Buffer.from(salt, 'base64'))
    .update(value)
    .digest('base64');

test.each(['export', 'deletion'] as const)(
  'the receipt (%s) is an event whose inclusion in the sealed log is verified offline',
  async (kind) => {
    const subjectId = `p-${kind}`;
    const own = { ...log, wakePrivacyRequests: () => {} };
    await phiCopyOf(log).encrypt('x', { subject_id: subjectId });
    const { request_id: id } = await requestPrivacyJob(
      own,
      { kind, subject_id: subjectId, reason: 'test' },
      testCaller,
    );
    const fence = await takeFence(log.sql, 'process-privacy-requests');
    const caller = testCaller as typeof testCaller & { readonly kind: 'system' };
    await processPrivacyRequests(own, { fence, signal: new AbortController().signal, caller });
    expect((await readPrivacyRequest(log, { request_id: id })).receipt).toMatchObject({ seq: null });
    await sealEvents(log, {}, testCaller);
    const { receipt, summary } = await readPrivacyRequest(log, { request_id: id });
    const seq = receipt?.seq as number;
    const { leaf: encoded, personal } = await readEvent(log, seq);
    const leaf = Buffer.from(encoded, 'base64');
    // The sealed bytes say what was done in which request, and commit to the person without an id.
    expect(leaf.toString('utf8')).not.toContain(subjectId);
    expect(personal).toMatchObject([{ field: 'target', value: `subject:${subjectId}` }]);
    expect(JSON.parse(leaf.toString('utf8'))).toMatchObject({
      seq,
      event_id: receipt?.event_id,
      type: 'phi.request_done',
      outcome: kind,
      detail: { request_id: id, ...summary },
      personal: { target: commitmentOf(personal[0] as Opening) },
    });
    const proof = await proveEvent(log, seq);
    expect(await verifyOffline(leaf, proof)).toBe(0);
    const forged = Buffer.from(leaf.toString('utf8').replace(kind, 'x'.repeat(kind.length)));
    expect(await verifyOffline(forged, proof)).not.toBe(0);
  },
);

test('sealed uses of one person are listed newest first, in pages', async () => {
  const use = (subjectId: string) =>
    logPhiAccess(
      log,
      { subject_id: subjectId, purpose: 'treatment', action: 'view', reference: 'chart/7' },
      userCaller('nurse'),
    );
  for (const subjectId of ['listed', 'other', 'listed', 'other']) await use(subjectId);
  await sealEvents(log, {}, testCaller);
  const of = (cursor?: string) => listPhiUses(log, { subjectId: 'listed', limit: 1, cursor });
  const first = await of();
  expect(first.items).toMatchObject([
    { type: 'phi.accessed', actor: 'user:nurse', purpose: 'treatment', reference: 'chart/7', basis: null },
  ]);
  const rest = await of(first.next as string);
  expect([rest.items.map(({ seq }) => seq), rest.next]).toEqual([[(first.items[0]?.seq as number) - 2], null]);
  await expect(of('x')).rejects.toMatchObject({ code: 'cursor_invalid' });
});

test('whose health data a user used stays known after the erasure of the user, sealed or not', async () => {
  const access = { subject_id: 'kept', purpose: 'treatment', action: 'view', reference: 'chart/8' } as const;
  await logPhiAccess(log, access, userCaller('erased'));
  await sealEvents(log, {}, testCaller);
  await logPhiAccess(log, access, userCaller('erased'));
  expect(await erasePersonal(log, { subject: 'erased' }, testCaller)).toEqual({ values: 0, unsealed: 0 });
  await sealEvents(log, {}, testCaller);
  const { items } = await listPhiUses(log, { subjectId: 'kept', limit: 5 });
  const kept = { actor: 'user:erased', reference: 'chart/8' };
  expect(items).toMatchObject([kept, kept]);
});
