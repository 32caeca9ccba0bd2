import { expect, test } from 'vitest';
import { recordIncidentJob, recordProgressJob } from '#jobs/contracts/operations.ts';
import { detectIncidentsJob } from '#jobs/contracts/security.ts';
import { jobs } from '#jobs/schedules.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { signUp } from '#tools/testing/flows/flows.ts';
import { queryRows, rawSql } from '#tools/testing/harness/ports.ts';
import { startProductHarness, startWorkerBeside } from '#tools/testing/harness/product.ts';
import { readyProducer } from '#tools/testing/harness/redis.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { listMailFiles, mailFolderOf, readMailFile } from '../platform/mail/file-outbox.ts';

const env = { VALIDATE_REPLAY_PROTECTION: 'true' };
const harness = opened(() => startProductHarness({ ...env, WORKER_COPIES: '1' }));
const product = partOf(() => harness.product);
const second = opened(() => startWorkerBeside(product, env));
const producer = opened(() => readyProducer(product.credentials.redis_url));

const rows = rawSql((text, values) => queryRows(product.credentials.database_url)(text, values));
const idOf = (name: string, ownId: string): string => `${name}-${ownId}`;

async function untilCompleted(ids: readonly { readonly queue: (typeof jobs)[number]['queue']; readonly id: string }[]) {
  for (const { queue, id } of ids)
    await eventually(
      `${id} to be done`,
      async () => {
        const state = await producer.queue(queue).getJobState(id);
        if (state === 'failed') throw new Error(`${id} is a dead letter`);
        return state === 'completed';
      },
      180_000,
    );
}

/** Over both workers. */
async function counted(metric: string, labels: RegExp): Promise<number> {
  const texts = await Promise.all([product, second].map(async ({ metrics }) => (await fetch(metrics)).text()));
  const lines = texts
    .flatMap((text) => text.split('\n'))
    .filter((line) => line.startsWith(`${metric}{`) && labels.test(line));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}
/** The mails that explain to an owner how to unlock the account. */
async function unlockMails(): Promise<string[]> {
  const folder = mailFolderOf(product.dataDir);
  const mails = await Promise.all((await listMailFiles(folder)).map((name) => readMailFile(folder, name)));
  return mails.filter((mail) => mail !== undefined).filter((mail) => mail.includes('/account/unlock'));
}
const mailsSent = () => counted('sallyport_mails_total', /template="reset_password".*outcome="sent"/);
const incidents = () => counted('sallyport_incidents_total', /detection="token_replay"/);
const removed = () => counted('sallyport_cleanup_removed_total', /kind="idempotency_keys"/);

test('every job delivered twice, and twice at once, by two workers, has one effect', { timeout: 420_000 }, async () => {
  await Promise.all(Array.from({ length: 5 }, () => signUp(product)));
  // Work for the jobs that would otherwise find nothing to do.
  const { id, email } = await signUp(product);
  await rows(`UPDATE users SET "emailVerified" = now() WHERE id = '${id}'`);
  const asked = await send(product.api, 'POST', '/api/auth/request-password-reset', { json: { email } });
  expect(asked.status, asked.text).toBeLessThan(300);
  const robbed = await signUp(product);
  const shownFrom = async (ip: string) =>
    (
      await send(product.api, 'POST', '/v1/tokens/validate', {
        json: { token: robbed.tokens.access_token, context: { ip } },
      })
    ).body;
  expect(await shownFrom('192.0.2.1')).toMatchObject({ active: true });
  expect(await shownFrom('203.0.113.1')).toEqual({ active: false, reason: 'binding_mismatch' });
  await rows(
    `INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash, agent_hash, detail)
     VALUES ('user.login', 'ok', 'user', '${id}', 'user', '${id}', 'c1', '1.ip', '1.agent',
       '{"factor":"password","session_id":"s2","known_device":false,"elsewhere":"s1"}')`,
  );
  await rows`INSERT INTO idempotency_keys (key_hash, request_hash, expires_at)
    VALUES ('old', 'x', now() - interval '2 days')`;
  const twice = jobs.flatMap((job) =>
    ['one', 'two'].map((ownId) => ({ job, queue: job.queue, id: idOf(job.name, ownId) })),
  );
  const report = (nth: number) => ({ id: `0190b1d4-0000-7000-8000-00000000000${nth}`, at: new Date().toISOString() });
  const payloads: Readonly<Record<string, object>> = {
    [recordProgressJob.name]: { ...report(1), kind: 'authentication', event: 'login' },
    [recordIncidentJob.name]: { ...report(2), type: 'forged', severity: 'low', user_id: id, detail: {} },
  };
  await Promise.all(
    twice.map(({ job, id: jobId }) =>
      producer.enqueue(job, payloads[job.name] ?? {}, { jobId: jobId.slice(job.name.length + 1) }),
    ),
  );
  await untilCompleted(twice);
  for (const { queue, id } of twice) await (await producer.queue(queue).getJob(id))?.retry('completed');
  await untilCompleted(twice);

  await eventually('the mail', async () => (await rows`SELECT 1 FROM mail_outbox`).length === 0);
  await eventually('the incident', async () => (await rows`SELECT 1 FROM incidents`).length > 0);
  const [sealed] = await eventually('every event to be sealed', async () => {
    const waiting = await rows`SELECT 1 FROM audit_outbox WHERE seq IS NULL LIMIT 1`;
    return waiting.length === 0
      ? rows`SELECT count(*)::int AS leaves, count(DISTINCT event_id)::int AS events, max(seq)::int + 1 AS size
        FROM audit_events`
      : undefined;
  });
  expect(sealed?.leaves).toBeGreaterThan(5);
  expect(sealed).toEqual({ leaves: sealed?.leaves, events: sealed?.leaves, size: sealed?.leaves });
  // The detections once more, twice at once, now that everything is sealed.
  const again = ['three', 'four'].map((ownId) => ({
    queue: detectIncidentsJob.queue,
    id: idOf(detectIncidentsJob.name, ownId),
  }));
  await Promise.all(['three', 'four'].map((jobId) => producer.enqueue(detectIncidentsJob, {}, { jobId })));
  await untilCompleted(again);
  expect(await rows`SELECT detection, subject_id, count FROM incidents ORDER BY detection`).toEqual([
    { detection: 'impossible_travel', subject_id: id, count: 1 },
    { detection: 'reported_incident', subject_id: id, count: 1 },
    { detection: 'token_replay', subject_id: robbed.id, count: 1 },
  ]);
  await eventually('every mail to be sent', async () => (await rows`SELECT 1 FROM mail_outbox`).length === 0);
  expect(await rows`SELECT events::int FROM authentication_progress WHERE source = 'reported'`).toEqual([
    { events: 1 },
  ]);
  const mails = await unlockMails();
  expect(mails).toHaveLength(1);
  expect(mails[0]).toMatch(new RegExp(`^To: ${email}\\r?$`, 'm'));
  expect(mails[0]?.replaceAll(/=\r?\n/g, '')).toContain(`${product.api}/account/unlock#`);
  expect(await rows`SELECT 1 FROM idempotency_keys WHERE key_hash = 'old'`).toEqual([]);
  expect([await mailsSent(), await incidents(), await removed()]).toEqual([1, 1, 1]);
  const [keys] =
    await rows`SELECT count(*) FILTER (WHERE signs @> now())::int AS signing, count(*)::int AS all FROM jwks
      WHERE purpose = 'access'`;
  expect(keys).toEqual({ signing: 1, all: 1 });
  const secrets = await rows`SELECT purpose, count(*)::int AS versions FROM server_secrets GROUP BY purpose`;
  for (const { purpose, versions } of secrets) expect([purpose, versions]).toEqual([purpose, 1]);
  expect(product.output()).not.toMatch(/"level":"error"/);
});
