import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { defineStatement } from '#services/platform/define/statement.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { patiently } from '#tools/testing/flows/flows.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { type ClientCredentials, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';

asShipped();

const BOUND_MS = 2_000;
const TABLES = ['oauth_clients', 'agents', 'roles', 'permissions', 'role_permissions', 'applications'] as const;

let agent: ClientCredentials;

const harness = opened(openApiHarness);
const link = opened(() => startTcpProxy(harness.databaseUrl));
const env = { REVOCATION_STALENESS_MS: String(BOUND_MS) };
const near = opened(() => harness.startCopy({ hashes: false, env }));
/** Reaches PostgreSQL through the link. */
const far = opened(() => harness.startCopy({ hashes: false, env, databaseUrl: link.url }));
const admin = opened(() => newPerson(near, ['admin']));
const client = opened(() => harness.newClient(['tokens:read']));

beforeEach(async () => {
  const owner = await newPerson(near, ['developer']);
  const json = {
    name: 'Agent',
    owner_id: owner.id,
    reason: 'test',
    credential_scopes: ['signoffs:request'],
    dpop_bound_access_tokens: false,
  };
  const made = await patiently(() => send(near.url, 'POST', '/v1/admin/agents', { bearer: admin.bearer, json }));
  expect(made.status).toBe(201);
  agent = { client_id: made.body.agent_id, client_secret: made.body.client_secret };
  await eventually('the agent at the far copy', async () => (await tokenOf(far, agent)).status === 200);
});

const tokenOf = (copy: ApiCopy, basic: ClientCredentials): Promise<Received> =>
  send(copy.url, 'POST', '/oauth2/token', { basic, form: { grant_type: 'client_credentials' } });
const validate = (copy: ApiCopy, token: string): Promise<Received> =>
  send(copy.url, 'POST', '/v1/tokens/validate', { json: { token } });
const requestSignOff = (copy: ApiCopy, basic: ClientCredentials): Promise<Received> =>
  send(copy.url, 'POST', '/v1/handoff/signoffs', {
    basic,
    json: { act: 'records.delete', title: 'Delete records', arguments: {}, required_roles: ['qa'] },
  });
const kill = async (): Promise<number> => {
  const path = `/v1/admin/agents/${agent.client_id}/kill`;
  const sent = { bearer: admin.bearer, json: { reason: 'test' } };
  const killed = await patiently(() => send(near.url, 'POST', path, sent));
  expect(killed.body).toMatchObject({ status: 'killed' });
  return performance.now();
};

/** Holds a table against every reader until the returned function is called. */
async function lock(table: string): Promise<() => Promise<void>> {
  const locked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const held = harness.owner.transact(async (tx) => {
    await tx.query(defineStatement('')`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    locked.resolve();
    await release.promise;
  });
  await Promise.race([locked.promise, held]);
  return () => {
    release.resolve();
    return held;
  };
}

/** Uses the killed agent's secret at the far copy until well past the bound. @returns the refusals past the bound */
async function useSecretPastBound(killedAt: number): Promise<Received[]> {
  const late: Received[] = [];
  while (late.length === 0 || performance.now() - killedAt < 1.5 * BOUND_MS) {
    const isLate = performance.now() - killedAt > BOUND_MS;
    const answers = await Promise.all([tokenOf(far, agent), requestSignOff(far, agent)]);
    if (isLate) late.push(...answers);
    await sleep(20);
  }
  expect(late).not.toEqual([]);
  return late;
}

describe.each(TABLES)('a copy that cannot read %s while an agent is killed at another', (table) => {
  test('answers 503 to the secret past the bound, validates tokens, and serves again without a restart', async () => {
    const [own, other] = await Promise.all([tokenOf(far, agent), tokenOf(far, client)]);
    link.freeze();
    const killedAt = await kill();
    const release = await lock(table);
    link.thaw();
    try {
      for (const answer of await useSecretPastBound(killedAt)) expectStale(answer);
      expectStale(await tokenOf(far, client));
      const readiness = await send(far.url, 'GET', '/readyz');
      expect([readiness.status, readiness.body.components]).toEqual([
        503,
        expect.objectContaining({ directory: 'stale', revocations: 'ok', postgres: 'ok' }),
      ]);
      expect((await validate(far, other.body.access_token)).body).toMatchObject({ active: true });
      expect((await validate(far, own.body.access_token)).body).toMatchObject({ active: false });
      expect((await send(far.url, 'GET', '/.well-known/oauth-authorization-server')).status).toBe(200);
    } finally {
      await release();
    }
    await expectFarServes();
  });
});

/** It serves within ten seconds, and refuses the agent for good as soon as it decides again. */
async function expectFarServes(): Promise<void> {
  await eventually('the far copy to serve', async () => (await tokenOf(far, client)).status === 200, 10_000);
  for (const ask of [tokenOf, requestSignOff]) {
    const decided = await eventually('a decision on the agent', async () => {
      const answer = await ask(far, agent);
      return answer.status === 503 ? undefined : answer;
    });
    expect(decided.status).toBe(401);
  }
  await eventually('readiness', async () => (await send(far.url, 'GET', '/readyz')).body.components.directory === 'ok');
}

function expectStale(answer: Received): void {
  expect([answer.status, answer.body.code]).toEqual([503, 'directory_stale']);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
}

test('a copy that finds no such table while an agent is killed at another refuses its secret past the bound', async () => {
  link.freeze();
  const killedAt = await kill();
  await harness.rows`ALTER TABLE applications RENAME TO applications_away`;
  link.thaw();
  try {
    for (const answer of await useSecretPastBound(killedAt)) expectStale(answer);
  } finally {
    await harness.rows`ALTER TABLE applications_away RENAME TO applications`;
  }
  await expectFarServes();
});

test('a copy cut off from PostgreSQL while an agent is killed at another refuses its secret past the bound', async () => {
  link.freeze();
  const killedAt = await kill();
  try {
    for (const { status } of await useSecretPastBound(killedAt)) expect(status).toBe(503);
  } finally {
    link.thaw();
  }
  await expectFarServes();
});

test('a directory that does not change stays fresh far past the bound', async () => {
  await sleep(1.5 * BOUND_MS);
  await eventually('readiness', async () => (await send(far.url, 'GET', '/readyz')).status === 200);
  expect(far.ports.access.ageMs()).toBeLessThan(1.5 * BOUND_MS);
});
