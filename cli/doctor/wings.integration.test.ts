import { randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { modules } from '#services/modules.ts';
import { WINGS } from '#services/platform/config/wings.ts';
import { createLogHarness } from '#tools/testing/harness/log.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';
import { openCliHarness } from '../cli-harness.ts';

const database = opened(createTestDatabase);
const harness = opened(() => createLogHarness(database.url));

type CheckResult = { readonly name: string; readonly result: string; readonly evidence: string };
async function doctor(leftOut: string): Promise<(name: string) => CheckResult | undefined> {
  const { out } = await runCli(['doctor', '--json'], {
    DATABASE_URL: database.url,
    KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    SALLYPORT_DATA_DIR: harness.dataDir,
    SALLYPORT_LEAVE_OUT: leftOut,
  });
  const { checks } = JSON.parse(out) as { readonly checks: readonly CheckResult[] };
  return (name) => checks.find((check) => check.name === name);
}

test('without the setting every wing is named, and what is left out without work is no warning', async () => {
  const all = await doctor('');
  expect(all('wings')).toMatchObject({ result: 'pass', evidence: `all: ${WINGS.join(', ')}` });
  expect(all('audit recomputed')).toMatchObject({ result: 'warn' });
  const few = await doctor(WINGS.join(','));
  expect(few('wings')).toMatchObject({ result: 'pass', evidence: `left out: ${WINGS.join(', ')}` });
  // Only the wing recomputes the log.
  expect(few('audit recomputed')).toMatchObject({ result: 'skip' });
});

const UUID = `'0190b1d4-0000-7000-8000-000000000001'`;
const SHA = 'a'.repeat(64);
/** Work of every module, in the order in which they name it. */
const WORK = `BEGIN; SET LOCAL session_replication_role = replica;
  INSERT INTO phi_data_keys (id, subject_id, level, version, kek_version, wrapped) VALUES (${UUID}, 's', 'high', 1, 1, 'x');
  INSERT INTO phi_requests (id, kind, subject_id) VALUES (${UUID}, 'export', 's');
  INSERT INTO handoff_deliveries (id, endpoint, seq, subject) VALUES (${UUID}, 'crm', 7, '${SHA}'), (gen_random_uuid(), 'ssf-1', 7, '${SHA}');
  INSERT INTO alert_notices (target_id, alert_id, kind, grouped) VALUES (${UUID}, ${UUID}, 'firing', 'g');
  INSERT INTO signoffs (id, act, title, arguments, arguments_sha256, requested_by_kind, requested_by, required_roles, barred_users, no_open_incident, quorum, expires_at)
    VALUES (${UUID}, 'a', 't', '{}', encode(sha256('{}'), 'hex'), 'user', 'u', '{tech_lead}', '{}', false, 1, now() + interval '1 day');
  INSERT INTO agents (client_id, owner_id, capabilities, heartbeat_seconds, expires_at) VALUES ('c', 'u', '{}', 60, now() + interval '1 day');
  INSERT INTO imports (id, kind, source_sha256, map_sha256, source_bytes, state, actor_kind, reason)
    VALUES (${UUID}, 'csv', '${SHA}', '${SHA}', 1, 'waiting', 'system', 'r');
  INSERT INTO legacy_events (id, kind, subject, occurred_at) VALUES (sha256(''), 'user_deleted', 's', now()); COMMIT`;

test('work of wings that are left out is a warning, and that of the others is not', async () => {
  await harness.raw(WORK);
  const whats = modules.flatMap(({ leftWork }) => leftWork.map(({ what }) => what));
  const all = WINGS.join(', ');
  expect((await doctor(all))('wings')).toMatchObject({
    result: 'warn',
    evidence: [`left out: ${all}`, ...whats].join('; '),
  });
  expect((await doctor('handoff,agents'))('wings')).toMatchObject({
    result: 'warn',
    evidence:
      'left out: handoff, agents; hand-offs wait, and no job pushes them; agents live, and the API cannot kill them',
  });
});

test('fails with a fix on a database that refuses to write', async () => {
  const { ports, sallyport, close } = await openCliHarness();
  onTestFinished(close);
  const postgres = async (): Promise<unknown> => {
    const { checks } = JSON.parse((await sallyport(['doctor', '--json'])).out);
    return checks.find(({ name }: { name: string }) => name === 'postgres');
  };
  expect(await postgres()).toMatchObject({ evidence: expect.stringMatching(/^version \d+, .*(?<!read-only)$/) });
  const database = new URL(ports.databaseUrl).pathname.slice(1);
  await queryRows(ports.databaseUrl)(`ALTER DATABASE "${database}" SET default_transaction_read_only = on`);
  expect(await postgres()).toMatchObject({
    result: 'fail',
    evidence: expect.stringMatching(/^version \d+, .*; it is read-only$/),
    fix: expect.stringContaining('default_transaction_read_only'),
  });
});
