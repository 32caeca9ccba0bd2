// About: services/core/identity/seed/
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { eventually } from '../tools/testing/eventually.ts';
import { queryRows, rawSql } from '../tools/testing/harness/ports.ts';
import { startProduct } from '../tools/testing/harness/product.ts';
import { runCli } from '../tools/testing/processes/run-cli.ts';

const product = opened(() => startProduct({ clusterDir: inject('clusterDir') }));

const sallyport = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runCli(args, { SALLYPORT_DATA_DIR: product.dataDir, ...env });
async function json(...args: string[]) {
  const { code, out, err } = await sallyport([...args, '--json']);
  expect(code, err).toBe(0);
  return JSON.parse(out);
}
const rows = rawSql((text, values) => queryRows(product.credentials.database_url)(text, values));

test('a newcomer seeds a clinic and sees a full report of it, verified offline', async () => {
  const seeded = await json('demo', 'seed', 'clinic');
  expect(seeded).toMatchObject({ patients: 8, clinic_file: join(product.dataDir, 'clinic.json') });
  expect(statSync(seeded.clinic_file).mode & 0o777).toBe(0o600);
  const report = await json('report', 'run', '--wait', '200');

  expect(report.summary.pass).toBeGreaterThan(20);
  const bundle = join(product.dataDir, 'report.json');
  await json('report', 'show', report.report_id, '--bundle', bundle);
  expect(await json('report', 'verify', bundle)).toMatchObject({ valid: true, faults: [] });
  const items: { control_id: string; status: string; check: { population: number } }[] = JSON.parse(
    readFileSync(bundle, 'utf8'),
  ).report.controls;
  const found = new Map(items.map(({ control_id, status, check }) => [control_id, [status, check?.population]]));
  // What the clinic is for: each privacy control has a population, and one of them fails.
  for (const control of `minimum-necessary-applied restrictions-enforced access-requests-answered disclosures-recorded
    emergency-access-works emergency-access-reviewed research-consented privacy-records-kept retention-applied
    phi-keys-encrypted`.split(/\s+/))
    expect([control, found.get(control)]).toEqual([control, ['pass', expect.any(Number)]]);
  expect(found.get('field-policies-limited')?.[0]).toBe('fail');
  await eventually('the violation', async () => {
    const open = await rows`SELECT control FROM compliance_violations WHERE resolved_at IS NULL`;
    return open.some(({ control }) => control === 'field-policies-limited');
  });
});

test('its records are encrypted, its staff can sign in, and its emergency access waits for a review', async () => {
  const { password, staff, records } = JSON.parse(readFileSync(join(product.dataDir, 'clinic.json'), 'utf8'));
  expect(records.length).toBeGreaterThan(16);
  expect(JSON.stringify(records)).not.toMatch(/Patient|diagnosis|invented/);
  const answer = await fetch(`${product.api}/api/auth/signin`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: staff[0].email, password }),
  });
  expect(answer.status).toBe(200);
  expect((await json('privacy', 'break-glass', 'list', '--unreviewed')).break_glass).toMatchObject([
    { user_id: staff[0].user_id, subject_id: 'patient-0005' },
  ]);
  const events =
    await rows`SELECT type, outcome FROM audit_outbox WHERE type LIKE 'phi.%' AND actor_kind = 'user' GROUP BY 1, 2`;
  expect(events).toEqual(
    expect.arrayContaining([
      { type: 'phi.decrypted', outcome: 'ok' },
      { type: 'phi.decrypted', outcome: 'refused' },
      { type: 'phi.consent_recorded', outcome: 'withdrawn' },
      { type: 'phi.break_glass_opened', outcome: 'ok' },
      { type: 'phi.disclosed', outcome: 'ok' },
    ]),
  );
});

test('seeding again adds nothing and keeps the password; production refuses', async () => {
  const file = join(product.dataDir, 'clinic.json');
  const before = readFileSync(file, 'utf8');
  const [count] = await rows`SELECT count(*) FROM phi_consents`;
  await json('demo', 'seed', 'clinic');
  expect(readFileSync(file, 'utf8')).toBe(before);
  expect(await rows`SELECT count(*) FROM phi_consents`).toEqual([count]);
  const refused = await sallyport(['demo', 'seed', 'clinic'], {
    SALLYPORT_PROFILE: 'production',
    BETTER_AUTH_URL: 'https://auth.example.test',
    BETTER_AUTH_SECRET: randomBytes(32).toString('base64'),
    KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
  });
  expect(refused).toMatchObject({ code: 5, err: expect.stringContaining('SALLYPORT_PROFILE is production here') });
});
