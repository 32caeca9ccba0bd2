import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { countEventHours } from '#services/wings/monitoring/count-event-hours.ts';
import { makeSecurityReports } from '#services/wings/monitoring/reports/make-security-reports.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openApiHarness());
const api = opened(() => harness.startCopy({ hashes: false }));

test('administrators, auditors and operators see the dashboard, and no other user does', async () => {
  for (const role of ['admin', 'auditor', 'operator']) {
    const { bearer } = await newPerson(api, [role]);
    const shown = await send(api.url, 'GET', '/v1/admin/dashboard', { bearer });
    expect(shown.status, role).toBe(200);
    expect(shown.body).toMatchObject({ security: { state: 'missing' }, resources: { copies: [] } });
    expect(shown.headers.get('cache-control')).toBe('no-store');
  }
  const { bearer } = await newPerson(api);
  for (const path of ['dashboard', 'reports', `reports/${randomUUID()}/file`])
    expectProblem(await send(api.url, 'GET', `/v1/admin/${path}`, { bearer }), 403, 'permission_missing');
  expectProblem(await send(api.url, 'POST', '/v1/admin/reports', { bearer, json: {} }), 403, 'permission_missing');
  expectProblem(await send(api.url, 'GET', '/v1/admin/dashboard'), 401, 'unauthenticated');
});

test('a report is requested with 202, and downloaded as JSON and CSV once it is made', async () => {
  const auditor = await harness.newClient(['monitoring:read', 'monitoring:report']);
  const ask = (method: string, path: string, json?: object) =>
    send(api.url, method, `/v1/admin/reports${path}`, { basic: auditor, ...(json === undefined ? {} : { json }) });
  const wrong = { from: '2026-11-02T00:00:00Z', to: '2026-11-01T00:00:00Z' };
  expectProblem(await ask('POST', '', wrong), 400, 'request_invalid');
  const requested = await ask('POST', '');
  expect(requested.status, requested.text).toBe(202);
  const { report_id: id } = requested.body;
  expectProblem(await ask('GET', `/${id}/file`), 409, 'security_report_not_ready');
  const { signal } = new AbortController();
  await countEventHours(api.workerPorts, { signal });
  await makeSecurityReports(api.workerPorts, { signal }, { ...testCaller, kind: 'system', name: 'worker' });
  expect((await ask('GET', '')).body.reports).toMatchObject([{ report_id: id, status: 'done' }]);
  const file = await ask('GET', `/${id}/file`);
  expect(file.body).toMatchObject({ report_id: id, sign_ins: { succeeded: 0 } });
  expect(file.headers.get('content-disposition')).toBe(`attachment; filename="security-${id}.json"`);
  const days = await ask('GET', `/${id}/days`);
  expect(days.headers.get('content-type')).toMatch(/^text\/csv/);
  expect(days.text).toMatch(/^day,sign_ins_succeeded/);
  expectProblem(await ask('GET', `/${randomUUID()}`), 404, 'security_report_unknown');
});
