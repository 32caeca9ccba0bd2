import { expect, test } from 'vitest';
import { readProductionGaps } from '#services/core/health/production-gaps.ts';
import { missingForProduction } from '#services/platform/config/production.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';

const harness = opened(() => openApiHarness());
const api = opened(() => harness.startCopy({ hashes: false }));

const PATH = '/v1/admin/first-steps';

test('first steps tick themselves as they are done, and everybody sees those that a permission lets them know of', async () => {
  const admin = await newPerson(api, ['admin']);
  const steps = async (bearer: string) => {
    const shown = await send(api.url, 'GET', PATH, { bearer });
    expect(shown.status, shown.text).toBe(200);
    return Object.fromEntries(shown.body.steps.map((step: { name: string; done: boolean }) => [step.name, step.done]));
  };
  const begun = {
    KEY_ENCRYPTION_KEY: true,
    SMTP_URL: true,
    ...(hasWings && { 'backups-recent': false }),
    'first-client': false,
    'second-administrator': false,
  };
  expect(await steps(admin.bearer)).toEqual(begun);

  const second = await newPerson(api, ['admin']);
  expect(await steps(admin.bearer)).toEqual({ ...begun, 'second-administrator': true });
  await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${second.id}`;
  expect(await steps(admin.bearer)).toEqual(begun);

  await harness.newClient([]);
  expect(await steps(admin.bearer)).toEqual({ ...begun, 'first-client': true });
  if (hasWings) {
    await harness.rows`
      INSERT INTO compliance_controls (control, status, population, sampled, exceptions, exception_count, observed,
        observed_sha256, probe_version, release, collector, started_at, ended_at)
      VALUES ('backups-recent', 'pass', 1, 1, '[]', 0, '{}', repeat('0', 64), 1, '0', 'worker', now(), now())`;
    expect(await steps(admin.bearer)).toEqual({ ...begun, 'first-client': true, 'backups-recent': true });
    await harness.rows`UPDATE compliance_controls SET ended_at = now() - interval '1 day'`;
    expect(await steps(admin.bearer)).toMatchObject({ 'backups-recent': false });
  }

  const gaps = await readProductionGaps(api.ports, missingForProduction({}), []);
  expect(gaps.map(({ name }) => name)).toEqual(expect.arrayContaining(['SMTP_URL', 'KEY_ENCRYPTION_KEY']));
  const reader = await harness.newClient(['clients:read']);
  const { body: own } = await send(api.url, 'GET', PATH, { basic: reader });
  expect(own).toEqual({ steps: [{ name: 'first-client', done: true }] });
  const { bearer } = await newPerson(api);
  expectProblem(await send(api.url, 'GET', PATH, { bearer }), 403, 'permission_missing');
  expectProblem(await send(api.url, 'GET', PATH), 401, 'unauthenticated');
});
