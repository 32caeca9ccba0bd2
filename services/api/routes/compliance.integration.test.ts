import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { machineControlNames } from '#services/wings/compliance/controls/all.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { expectProblem, type Json, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openApiHarness());
const api = opened(() => harness.startCopy({ hashes: false }));
const officer = opened(() => harness.newClient(['compliance:read', 'compliance:manage']));
const reader = opened(() => harness.newClient(['compliance:read']));

const get = (path: string, basic = reader, headers: Record<string, string> = {}) =>
  send(api.url, 'GET', `/v1/compliance${path}`, { basic, headers });
const post = (path: string, json: object = {}, basic = officer) =>
  send(api.url, 'POST', `/v1/compliance${path}`, { basic, json });

test('controls are listed with their clause and kind, and filtered by profile and status', async () => {
  const { body } = await get('/controls');
  const ids = body.controls.filter(({ kind }: Json) => kind === 'machine').map(({ control_id }: Json) => control_id);
  expect(ids.sort()).toEqual([...machineControlNames].sort());
  for (const { clause, status } of body.controls as Json[]) {
    expect(clause).toMatch(/^164\.\d{3}\(/);
    expect(status).toBe('unknown');
  }
  const proposed = (await get('/controls?profile=proposed&status=unknown')).body.controls as Json[];
  expect(proposed.length).toBeGreaterThan(0);
  expect(new Set(proposed.map(({ profile }) => profile))).toEqual(new Set(['proposed']));
  expect((await get('/controls?status=pass')).body.controls).toEqual([]);
});

test('a person attests a control; the next list shows who and until when', async () => {
  const attested = await post('/controls/training/attest', { reason: 'course of May' });
  expect(attested.status, attested.text).toBe(201);
  expect(attested.body).toMatchObject({ control_id: 'training', attester: `client:${officer.client_id}` });
  const [shown] = (await get('/controls?status=pass')).body.controls;
  expect(shown).toMatchObject({ control_id: 'training', attestation: attested.body });
  expectProblem(await post('/controls/key-custody/attest', { reason: 'x' }), 404, 'control_unknown');
  expectProblem(await post('/controls/training/attest', { reason: 'x' }, reader), 403, 'permission_missing');
});

test('a report is requested with 202, shows its progress, and has no content until it is done', async () => {
  const requested = await post('/reports');
  expect(requested.status, requested.text).toBe(202);
  const { report_id: id } = requested.body;
  expect((await get(`/reports/${id}`)).body).toMatchObject({ status: 'queued', progress: 0, kind: 'demand' });
  expect((await get('/reports')).body.reports.map(({ report_id }: Json) => report_id)).toContain(id);
  for (const path of ['bundle', 'evidence'])
    expectProblem(await get(`/reports/${id}/${path}`), 409, 'report_not_ready');
  expectProblem(await get(`/reports/${id}`, reader, { accept: 'application/pdf' }), 409, 'report_not_ready');
  expect((await post(`/reports/${id}/cancel`, { reason: 'x' })).body).toMatchObject({ status: 'cancelled' });
  expectProblem(await post(`/reports/${id}/cancel`, { reason: 'x' }), 409, 'report_ended');
  expectProblem(await get(`/reports/${randomUUID()}`), 404, 'report_unknown');
  expectProblem(await post('/reports', {}, reader), 403, 'permission_missing');
});

test('violations are listed, assigned and accepted, with a reason', async () => {
  const id = randomUUID();
  await harness.rows`INSERT INTO compliance_violations (id, control, exception_count, due_at)
    VALUES (${id}, 'key-custody', 1, now() - interval '1 day')`;
  expect((await get('/violations?state=open')).body.violations).toMatchObject([
    { violation_id: id, control_id: 'key-custody', overdue: true },
  ]);
  const assigned = await post(`/violations/${id}/assign`, { owner: 'team-sre', reason: 'on it' });
  expect([assigned.status, assigned.body]).toMatchObject([200, { state: 'assigned', owner: 'team-sre' }]);
  expectProblem(await post(`/violations/${id}/assign`, { owner: 'x' }), 400, 'request_invalid');
  expectProblem(await post(`/violations/${id}/accept`, { reason: 'x' }, reader), 403, 'permission_missing');
  expect((await post(`/violations/${id}/accept`, { reason: 'documented' })).body).toMatchObject({ state: 'accepted' });
  expectProblem(await post(`/violations/${randomUUID()}/accept`, { reason: 'x' }), 404, 'violation_unknown');
});

test('the bundle and the PDF of a finished report are served byte for byte', async () => {
  const id = randomUUID();
  await harness.rows`
    INSERT INTO compliance_reports (id, kind, requested_by, status, progress, ended_at, summary, bundle, sha256, pdf)
    VALUES (${id}, 'demand', 'test', 'done', 100, now(), '{"pass":1,"fail":0,"error":0,"not_applicable":0,"unknown":0}',
      '{"note":"n"}' || chr(10), repeat('a', 64), '%PDF-1.7'::bytea)`;
  const bundle = await get(`/reports/${id}/bundle`);
  expect([bundle.text, bundle.headers.get('content-type')]).toEqual(['{"note":"n"}\n', 'application/json']);
  const pdf = await get(`/reports/${id}`, reader, { accept: 'application/pdf' });
  expect([pdf.text, pdf.headers.get('content-type')]).toEqual(['%PDF-1.7', 'application/pdf']);
  expect((await get(`/reports/${id}`)).body).toMatchObject({ status: 'done', sha256: 'a'.repeat(64) });
});
