import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import type { ApiCopy } from '#tools/testing/harness/api.ts';
import { type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { type ClientCredentials, expectProblem, type Sent, send } from '#tools/testing/http-client.ts';

let harness: ApiHarness;
let api: ApiCopy;
let clinic: ClientCredentials;
let officer: Person;
beforeAll(async () => {
  harness = await openApiHarness();
  api = await harness.startCopy({ hashes: false });
  clinic = await harness.newClient(['phi:read', 'phi:write']);
  officer = await newPerson(api, ['privacy_officer']);
});
afterAll(() => harness?.close());

const call = (method: string, path: string, sent: Sent = { bearer: officer.bearer }) =>
  send(api.url, method, `/v1/privacy${path}`, sent);
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
