import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { jobsOf, scheduledJobs } from '#jobs/schedules.ts';
import { WINGS } from '#services/platform/config/wings.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { repositoryRoot } from '#services/platform/local/data-dir.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { signIn, signUp } from '#tools/testing/flows/flows.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { type Product, type ProductHarness, startProductHarness } from '#tools/testing/harness/product.ts';
import { send } from '#tools/testing/http-client.ts';

const isEndpoint = (value: unknown): value is Endpoint =>
  typeof value === 'object' && value !== null && 'operation' in value && 'responses' in value;
/** Every endpoint that a wing declares. */
const leftOutEndpoints = (
  await Promise.all(
    globSync('services/wings/**/*contract.ts', { cwd: repositoryRoot }).map(async (file) =>
      Object.values<unknown>(await import(pathToFileURL(join(repositoryRoot, file)).href)),
    ),
  )
)
  .flat()
  .filter(isEndpoint);

const ALL = { WORKER_COPIES: '1', MCP_COPIES: '1' };

vi.setConfig({ testTimeout: 240_000 });

let harness: ProductHarness;
beforeAll(async () => {
  harness = await startProductHarness({ ...ALL, SALLYPORT_LEAVE_OUT: WINGS.join(',') });
});
afterAll(() => harness?.close());

/** The memory of all processes, pages that several share counted in part, MB. */
const memoryOf = ({ ready: { pids }, supervisorPid }: Product): number =>
  [supervisorPid, ...Object.values(pids)].reduce(
    (sum, pid) => sum + Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1_000,
    0,
  );

test.runIf(process.platform === 'linux')('idle, it takes less memory than with all wings', async () => {
  // First and side by side: neither has served a request, and pages that they share count in part.
  const whole = await startProductHarness(ALL);
  try {
    await sleep(3_000);
    expect(memoryOf(harness.product)).toBeLessThan(memoryOf(whole.product));
  } finally {
    await whole.close();
  }
});

test('without all wings, a user signs up and in, tokens are issued, validated, introspected, refreshed and revoked, keys rotate, and the log is sealed and read', async () => {
  const { product, post, byClient, databaseUrl } = harness;
  const user = await signUp(product);
  expect((await signIn(product, user)).id).toBe(user.id);
  const issued = await post('/v1/tokens', { user_id: user.id }, byClient);
  expect(issued.status).toBe(201);
  const validate = async (token: string) => (await post('/v1/tokens/validate', { token })).body;
  expect(await validate(issued.body.access_token)).toMatchObject({ active: true, claims: { sub: user.id } });
  const refreshed = await post('/v1/tokens/refresh', { refresh_token: issued.body.refresh_token }, byClient);
  expect(refreshed.status).toBe(200);
  const introspect = async (token: string) =>
    (await harness.call('POST', '/oauth2/introspect', { form: { token }, ...byClient })).body;
  expect(await introspect(refreshed.body.access_token)).toMatchObject({ active: true, sub: user.id });
  const revoked = await post('/v1/tokens/revoke', { user_id: user.id, reason: 'test' }, byClient);
  expect(revoked.status).toBe(200);
  await eventually('the revocation', async () => !(await validate(refreshed.body.access_token)).active);
  expect(await introspect(refreshed.body.access_token)).toEqual({ active: false });
  const rotated = await post('/v1/keys/rotate', {}, byClient);
  expect([rotated.status, rotated.body.state]).toEqual([202, 'pending']);
  await eventually('the sealed event of the new key', async () => {
    const sealed = `SELECT seq::int AS seq FROM audit_events WHERE type = 'key.published' AND target_id = $1`;
    const [event] = await queryRows<{ seq: number }>(databaseUrl, sealed, [rotated.body.kid]);
    const { status, text } = await send(product.api, 'GET', '/v1/audit/log/checkpoint');
    return event !== undefined && status === 200 && Number(text.split('\n')[1]) > event.seq;
  });
  const { body: read } = await harness.call('GET', '/v1/audit/events?type=key.published', byClient);
  expect(read.events[0]?.target).toMatchObject({ id: rotated.body.kid });
  await harness.expectUnharmed();
});

test('their paths answer like unknown ones, and the API description does not have them', async () => {
  const { product, operations } = harness;
  expect(leftOutEndpoints.length).toBeGreaterThan(100);
  const unknown = await send(product.api, 'GET', '/v1/nothing');
  for (const { method, path } of leftOutEndpoints) {
    const { status, body } = await send(product.api, method, path.replaceAll(/\{\w+\}/g, 'x'));
    expect([method, path, status, body?.code]).toEqual([method, path, unknown.status, unknown.body.code]);
  }
  const described = operations.map(({ path }) => path);
  expect(leftOutEndpoints.filter(({ path }) => described.includes(path))).toEqual([]);
});

test('their jobs and processes do not exist', async () => {
  const { product, databaseUrl } = harness;
  expect(product.ready.mcp).toBeUndefined();
  expect(Object.keys(product.ready.pids).sort()).toEqual(['api', 'worker']);
  const wanted = scheduledJobs.filter((job) => jobsOf({ leftOut: WINGS }).includes(job)).map(({ name }) => name);
  const rows = await eventually('the schedule', async () => {
    const found = await queryRows<{ job: string }>(databaseUrl, 'SELECT job FROM job_schedules ORDER BY job');
    return found.length > 0 && found;
  });
  expect(rows.map(({ job }) => job)).toEqual([...wanted].sort());
  expect(wanted.length).toBeLessThan(scheduledJobs.length - 5);
});
