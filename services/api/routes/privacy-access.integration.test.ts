import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import type { ApiCopy } from '#tools/testing/harness/api.ts';
import { type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { type ClientCredentials, expectProblem, type Json, type Sent, send } from '#tools/testing/http-client.ts';

let harness: ApiHarness;
let api: ApiCopy;
let clinic: ClientCredentials;
let clinician: Person;
let officer: Person;
let clerk: Person;
const subject_id = `patient-${randomUUID()}`;
let encrypted: Json;
beforeAll(async () => {
  harness = await openApiHarness();
  api = await harness.startCopy({ hashes: false });
  clinic = await harness.newClient(['phi:read', 'phi:write']);
  [clinician, officer] = [await newPerson(api, ['clinician']), await newPerson(api, ['privacy_officer'])];
  await harness.rows(`INSERT INTO roles (name, description) VALUES ('billing', 'x')`);
  await harness.rows(
    `INSERT INTO role_permissions (role, permission) VALUES ('billing', 'phi:read'), ('billing', 'phi:break_glass')`,
  );
  clerk = await newPerson(api, ['billing']);
  const json = { subject_id, purpose: 'payment', data: { name: 'Ada', diagnosis: 'x', cost: 5 } };
  encrypted = (await call('POST', '/phi/encrypt', { basic: clinic, json })).body.encrypted;
});
afterAll(() => harness?.close());

const call = (method: string, path: string, sent: Sent) => send(api.url, method, `/v1/privacy${path}`, sent);
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
    for (const minutes of [0, 241])
      expectProblem(
        await call('POST', '/break-glass', by(clerk, { subject_id, minutes, reason: 'x' })),
        400,
        'request_invalid',
      );
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
      expectProblem(
        await call('POST', `/subjects/typo/${kind}`, by(officer, { reason: 'x' })),
        404,
        'phi_subject_unknown',
      );
    }
    expectProblem(await call('GET', `/requests/${randomUUID()}`, by(officer)), 404, 'privacy_request_unknown');
  });
});
