import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { expectProblem, type Json, type Sent, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openApiHarness());
const api = opened(() => harness.startCopy({ hashes: false }));
const clinic = opened(() => harness.newClient(['phi:read', 'phi:write']));
const clinician = opened(() => newPerson(api, ['clinician']));
const officer = opened(() => newPerson(api, ['privacy_officer']));
const subject_id = `patient-${randomUUID()}`;
let encrypted: Json;
beforeAll(async () => {
  await harness.rows`INSERT INTO roles (name, description) VALUES ('billing', 'x')`;
  await harness.rows`INSERT INTO role_permissions (role, permission)
    VALUES ('billing', 'phi:read'), ('billing', 'phi:break_glass')`;
});
const clerk = opened(() => newPerson(api, ['billing']));
beforeAll(async () => {
  const json = { subject_id, purpose: 'payment', data: { name: 'Ada', diagnosis: 'x', cost: 5 } };
  encrypted = (await call('POST', '/phi/encrypt', { basic: clinic, json })).body.encrypted;
});

const call = (method: string, path: string, sent: Sent = { bearer: officer.bearer }) =>
  send(api.url, method, `/v1/privacy${path}`, sent);
const by = ({ bearer }: Person, json?: object): Sent => (json === undefined ? { bearer } : { bearer, json });
const decrypt = (person: Person) => call('POST', '/phi/decrypt', by(person, { purpose: 'payment', encrypted }));

describe('access to health data', () => {
  test('a role sees the fields that an officer permits for the purpose', async () => {
    const refused = await decrypt(clerk);
    expectProblem(refused, 403, 'phi_access_refused');
    expect(refused.body.reason).toBe('purpose_not_permitted');
    const policy = { fields: ['cost', 'name'], reason: 'invoices' };
    expectProblem(await call('PUT', '/policies/billing/payment', by(clinician, policy)), 403, 'permission_missing');
    expect((await call('PUT', '/policies/billing/payment', by(officer, policy))).status).toBe(200);
    expect((await decrypt(clerk)).body).toEqual({ data: { name: 'Ada', cost: 5 } });
    const asked = { subject_id, purpose: 'payment', fields: ['cost', 'diagnosis'] };
    expect((await call('POST', '/access/validate', by(clerk, asked))).body).toMatchObject({
      allowed: false,
      refused_fields: ['diagnosis'],
      reason: 'field_not_permitted',
    });
    const listed = (await call('GET', '/policies', by(officer))).body.policies;
    expect(listed).toContainEqual(expect.objectContaining({ role: 'billing', fields: ['cost', 'name'] }));
    const gone = await call('POST', '/policies/billing/payment/delete', by(officer, { reason: 'x' }));
    expect(gone.status).toBe(204);
    expectProblem(await decrypt(clerk), 403, 'phi_access_refused');
  });

  test('emergency access shows everything, and another user reviews it', async () => {
    const opened = await call('POST', '/break-glass', by(clerk, { subject_id, reason: 'emergency' }));
    expect(opened.status).toBe(201);
    expect((await decrypt(clerk)).body.data).toMatchObject({ diagnosis: 'x' });
    const waiting = (await call('GET', '/break-glass?reviewed=false', by(officer))).body.break_glass;
    expect(waiting).toMatchObject([{ user_id: clerk.id, outcome: null }]);
    const path = `/break-glass/${opened.body.break_glass_id}/review`;
    const review = { outcome: 'justified', reason: 'checked' };
    expectProblem(await call('POST', path, by(clerk, review)), 403, 'permission_missing');
    expect((await call('POST', path, by(officer, review))).body).toMatchObject({ outcome: 'justified' });
    expectProblem(await decrypt(clerk), 403, 'phi_access_refused');
    for (const minutes of [0, 241]) {
      const tooLong = await call('POST', '/break-glass', by(clerk, { subject_id, minutes, reason: 'x' }));
      expectProblem(tooLong, 400, 'request_invalid');
    }
  });

  test('a restriction binds clients too, until it ends', async () => {
    const of = `/subjects/${subject_id}/restrictions`;
    const added = await call('POST', of, by(officer, { purposes: ['payment'], reason: 'asked' }));
    expect(added.status).toBe(201);
    const asClient = () => call('POST', '/phi/decrypt', { basic: clinic, json: { purpose: 'payment', encrypted } });
    expect((await asClient()).body).toMatchObject({ code: 'phi_access_refused', reason: 'restricted' });
    const end = `${of}/${added.body.restriction_id}/end`;
    expect((await call('POST', end, by(officer, { reason: 'asked' }))).body.ended_at).not.toBeNull();
    expect((await asClient()).status).toBe(200);
    expect((await call('GET', of, by(officer))).body.restrictions).toHaveLength(1);
  });

  test('disclosures, uses, exports and deletions are recorded and answered by id', async () => {
    const of = `/subjects/${subject_id}`;
    const disclosed = {
      purpose: 'legal',
      disclosed_at: '2026-01-31T08:00:00Z',
      recipient: 'Court',
      description: 'Letter',
    };
    expect((await call('POST', `${of}/disclosures`, { basic: clinic, json: disclosed })).status).toBe(201);
    const { disclosures } = (await call('GET', `${of}/disclosures`, by(officer))).body;
    expect(disclosures).toMatchObject([{ recipient: 'Court', description: 'Letter' }]);
    const used = { subject_id, purpose: 'treatment', action: 'view', reference: 'chart/7' };
    expect((await call('POST', '/phi/accesses', by(clinician, used))).status).toBe(201);
    for (const kind of ['export', 'delete']) {
      const made = await call('POST', `${of}/${kind}`, by(officer, { reason: 'asked' }));
      expect([made.status, made.body.state]).toEqual([202, 'queued']);
      const path = `/requests/${made.body.request_id}`;
      expect((await call('GET', path, by(officer))).body).toEqual(made.body);
      expectProblem(await call('GET', `${path}/export`, by(officer)), 409, 'privacy_request_unfinished');
      const ofUnknown = await call('POST', `/subjects/typo/${kind}`, by(officer, { reason: 'x' }));
      expectProblem(ofUnknown, 404, 'phi_subject_unknown');
    }
    expectProblem(await call('GET', `/requests/${randomUUID()}`, by(officer)), 404, 'privacy_request_unknown');
  });
});

const asOfficer = (json: object): Sent => ({ bearer: officer.bearer, json });
const asClinic = (json?: object): Sent => ({ basic: clinic, ...(json === undefined ? {} : { json }) });

describe('consents, holds and retention', () => {
  test('a client records, checks and withdraws consent; research stops with it', async () => {
    const subject_id = `patient-${randomUUID()}`;
    const about = { subject_id, purpose: 'research' };
    const { encrypted } = (await call('POST', '/phi/encrypt', asClinic({ ...about, data: 'x' }))).body;
    const decrypt = () => call('POST', '/phi/decrypt', asClinic({ purpose: 'research', encrypted }));
    expect((await decrypt()).body).toMatchObject({ code: 'phi_access_refused', reason: 'consent_missing' });
    const given = await call('POST', '/consents', asClinic({ ...about, granted: true, terms: '2026-01' }));
    expect([given.status, given.body.version]).toEqual([201, 1]);
    const check = `/subjects/${subject_id}/consents/research`;
    expect((await call('GET', check, asClinic())).body).toEqual({ granted: true });
    expect((await decrypt()).body).toEqual({ data: 'x' });
    const ended = await call('POST', '/consents/withdraw', asClinic({ subject_id, reason: 'asked' }));
    expect(ended.body.withdrawn).toMatchObject([{ purpose: 'research', version: 2, granted: false }]);
    expect((await call('GET', check, asClinic())).body).toEqual({ granted: false });
    expect((await decrypt()).status).toBe(403);
    const { consents } = (await call('GET', `/subjects/${subject_id}/consents`, asClinic())).body;
    expect(consents.map(({ granted }: { granted: boolean }) => granted)).toEqual([false, true]);
  });

  test('a privacy officer records, reads and withdraws a consent, and accounts for a disclosure', async () => {
    const subject_id = `patient-${randomUUID()}`;
    await call('POST', '/phi/encrypt', asClinic({ subject_id, purpose: 'treatment', data: 'x' }));
    const consent = { subject_id, purpose: 'research', granted: true, terms: '2026-01' };
    expect((await call('POST', '/consents', asOfficer(consent))).status).toBe(201);
    const of = `/subjects/${subject_id}`;
    expect((await call('GET', `${of}/consents`)).body.consents).toMatchObject([{ purpose: 'research', granted: true }]);
    expect((await call('POST', '/consents/withdraw', asOfficer({ subject_id, reason: 'asked' }))).status).toBe(200);
    expect((await call('GET', `${of}/consents/research`)).body).toEqual({ granted: false });
    const disclosure = {
      purpose: 'legal',
      disclosed_at: new Date().toISOString(),
      recipient: 'court',
      description: 'x',
    };
    expect((await call('POST', `${of}/disclosures`, asOfficer(disclosure))).status).toBe(201);
  });

  test('a hold refuses to destroy keys until it ends', async () => {
    const subject_id = `patient-${randomUUID()}`;
    await call('POST', '/phi/encrypt', asClinic({ subject_id, purpose: 'treatment', data: 'x' }));
    const placed = await call('POST', `/subjects/${subject_id}/holds`, asOfficer({ reason: 'case' }));
    expect(placed.status).toBe(201);
    const shred = () => call('POST', `/phi/subjects/${subject_id}/shred`, asOfficer({ reason: 'asked' }));
    expectProblem(await shred(), 409, 'subject_held');
    const path = `/subjects/${subject_id}/holds`;
    expect((await call('GET', path)).body.holds).toMatchObject([{ hold_id: placed.body.hold_id, ended_at: null }]);
    const end = `${path}/${placed.body.hold_id}/end`;
    expect((await call('POST', end, asOfficer({ reason: 'closed' }))).status).toBe(200);
    expectProblem(await call('POST', end, asOfficer({ reason: 'closed' })), 404, 'legal_hold_unknown');
    expect((await shred()).status).toBe(200);
  });

  test('policies are set above their floor, and a run is queued', async () => {
    const short = { kind: 'disclosures', keep_days: 365, reason: 'x' };
    expectProblem(await call('PUT', '/retention', asOfficer(short)), 409, 'retention_too_short');
    const longer = await call('PUT', '/retention', asOfficer({ ...short, keep_days: 3_000 }));
    expect(longer.body).toMatchObject({ kind: 'disclosures', keep_days: 3_000, least_days: 2_192 });
    const made = await call('POST', '/retention/runs', asOfficer({ dry_run: true, reason: 'look' }));
    expect([made.status, made.body.state]).toEqual([202, 'queued']);
    expect((await call('GET', `/retention/runs/${made.body.run_id}`)).body).toEqual(made.body);
    expectProblem(await call('GET', `/retention/runs/${randomUUID()}`), 404, 'retention_run_unknown');
    const { policies, runs } = (await call('GET', '/retention')).body;
    expect(policies).toHaveLength(12);
    expect(runs).toMatchObject([{ run_id: made.body.run_id, dry_run: true }]);
  });
});
