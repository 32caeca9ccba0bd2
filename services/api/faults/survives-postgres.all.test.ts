// About: services/platform/postgres/pool.ts services/core/revocations/
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import {
  claimsIn,
  clientToken,
  generationOf,
  issueFor,
  type Pair,
  refresh,
  revoke,
  signIn,
  type TestUser,
  untilVerdict,
  verdictOn,
} from '#tools/testing/flows/flows.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { startProduct } from '#tools/testing/harness/product.ts';
import { expectErrorForm, type Json, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { startOwnStores } from '#tools/testing/processes/own-stores.ts';

asShipped();

const LOGINS = 24;
/** How long a store is away: longer than every internal deadline. */
const AWAY_MS = 5_000;
/** From the store's return to the first successful refresh. */
const RECOVERY_MS = 5_000;

const stores = opened(startOwnStores);
const env = { WORKER_COPIES: '0', REFRESH_GRACE_SECONDS: '60', REFRESH_GRACE_USES: '1000' };
const product = opened(() => startProduct({ stores, env }));
const user = opened(() => signIn(product, product.credentials.user));

/**
 * A client that refreshes without a pause and, as a correct client does, keeps its token until it has the successor.
 */
async function refreshWithoutEnd(pair: Pair, answers: Received[], isOver: () => boolean): Promise<Pair> {
  let held = pair;
  while (!isOver()) {
    const answer = await refresh(product, held.refresh_token).catch(() => undefined);
    if (answer === undefined) continue;
    answers.push(answer);
    if (answer.status !== 200) {
      await sleep(50);
      continue;
    }
    expect(generationOf(answer.body.refresh_token)).toBe(generationOf(held.refresh_token) + 1);
    held = answer.body;
  }
  return held;
}

/** Every request that needs Postgres. */
const questions = (session: TestUser, pair: Pair): Record<string, () => Promise<Received>> => ({
  signUp: () =>
    send(product.api, 'POST', '/api/auth/signup', {
      json: { email: `x${Date.now()}@example.test`, password: 'long enough a password' },
    }),
  signIn: () => send(product.api, 'POST', '/api/auth/signin', { json: product.credentials.user }),
  signOut: () =>
    send(product.api, 'POST', '/api/auth/signout', { cookie: session.cookie, headers: { origin: product.api } }),
  issue: () =>
    send(product.api, 'POST', '/v1/tokens', { basic: product.credentials.client, json: { user_id: user.id } }),
  issueForSession: () =>
    send(product.api, 'POST', '/v1/tokens', { cookie: session.cookie, headers: { origin: product.api } }),
  refresh: () => refresh(product, pair.refresh_token),
  refreshOAuth: () =>
    send(product.api, 'POST', '/oauth2/token', {
      basic: product.credentials.client,
      form: { grant_type: 'refresh_token', refresh_token: pair.refresh_token },
    }),
  clientCredentials: () =>
    send(product.api, 'POST', '/oauth2/token', {
      basic: product.credentials.client,
      form: { grant_type: 'client_credentials' },
    }),
  revoke: () => revoke(product, { token: pair.access_token }),
  revokeOAuth: () =>
    send(product.api, 'POST', '/oauth2/revoke', {
      basic: product.credentials.client,
      form: { token: pair.access_token },
    }),
  introspectRefresh: () =>
    send(product.api, 'POST', '/oauth2/introspect', {
      basic: product.credentials.client,
      form: { token: pair.refresh_token },
    }),
  statistics: () => send(product.api, 'GET', '/v1/tokens/stats', { basic: product.credentials.client }),
  rotateKeys: () => send(product.api, 'POST', '/v1/keys/rotate', { basic: product.credentials.client }),
  validate: () => send(product.api, 'POST', '/v1/tokens/validate', { json: { token: pair.access_token } }),
  batch: () => send(product.api, 'POST', '/v1/tokens/validate-batch', { json: { tokens: [pair.access_token] } }),
  introspect: () =>
    send(product.api, 'POST', '/oauth2/introspect', {
      basic: product.credentials.client,
      form: { token: pair.access_token },
    }),
  bearer: () => send(product.api, 'GET', '/v1/keys', { bearer: pair.access_token }),
  feed: () => send(product.api, 'GET', '/v1/revocations', { basic: product.credentials.client }),
});

const isReady = async (): Promise<boolean> => (await send(product.api, 'GET', '/readyz')).status === 200;

/** Takes Postgres away during refreshes, sends every kind of request meanwhile, and checks the result. */
async function outage(away: () => Promise<() => Promise<void>>): Promise<void> {
  const session = await signIn(product, product.credentials.user);
  const asked = await issueFor(product, user.id);
  const pairs = await Promise.all(Array.from({ length: LOGINS }, () => issueFor(product, user.id)));
  const answers: Received[] = [];
  let isOver = false;
  const clients = pairs.map((pair) => refreshWithoutEnd(pair, answers, () => isOver));
  await eventually('refreshes in flight', () => answers.length > LOGINS);

  const back = await away();
  const since = performance.now();
  const meanwhile: Record<string, Json> = {};
  await eventually('readiness to be gone', async () => !(await isReady()));
  const { status, body } = await send(product.api, 'GET', '/readyz');
  expect([status, body]).toEqual([
    503,
    expect.objectContaining({
      status: 'not_ready',
      components: expect.objectContaining({ postgres: 'unreachable', revocations: 'stale' }),
    }),
  ]);
  expect((await send(product.api, 'GET', '/healthz')).status).toBe(200);
  const all = Object.entries(questions(session, asked));
  await Promise.all(
    all.map(async ([name, ask]) => {
      const answer = await ask();
      meanwhile[name] = answer.status;
      if (answer.status !== 503) return;
      expectErrorForm(answer);
      expect(answer.body.retryable).toBe(true);
    }),
  );
  // The key set, documents and liveness need no database; every other request is refused with a time to retry.
  expect(meanwhile).toEqual(Object.fromEntries(all.map(([name]) => [name, 503])));
  expect((await send(product.api, 'GET', '/.well-known/jwks.json')).status).toBe(200);
  await sleep(Math.max(0, AWAY_MS - (performance.now() - since)));

  await back();
  // Refreshes run without a pause: only the answers from now on matter.
  const seen = answers.length;
  await eventually('a refresh again', () => answers.slice(seen).some((answer) => answer.status === 200), RECOVERY_MS);
  await eventually('readiness', isReady);
  await eventually(
    'refreshes again',
    () => answers.slice(seen).filter((answer) => answer.status === 200).length > LOGINS * 2,
  );
  isOver = true;
  const held = await Promise.all(clients);

  // Correct clients saw rotations and retryable refusals; no family was revoked for reuse.
  for (const answer of answers.filter((each) => each.status !== 200)) {
    expect([answer.status, answer.body?.code]).toEqual([503, expect.any(String)]);
    expectErrorForm(answer);
  }
  expect(answers.some((answer) => answer.status === 503)).toBe(true);
  for (const pair of held) {
    const { fid } = claimsIn(pair.access_token);
    const [family] = await queryRows(stores.databaseUrl)<{ generation: number; revoked_at: Date | null }>`
      SELECT generation, revoked_at FROM refresh_families WHERE id = ${fid}`;
    expect(family).toEqual({ generation: generationOf(pair.refresh_token), revoked_at: null });
    // Each rotation is one row of the outbox: none is half done, none recorded twice.
    const [rotations] = await queryRows(stores.databaseUrl)<{ count: number }>`SELECT count(*)::int AS count
      FROM audit_outbox WHERE target_id = ${fid} AND type = 'token.refreshed' AND outcome = 'rotated'`;
    expect(rotations!.count).toBe(family!.generation);
    expect(await verdictOn(product, pair.access_token)).toBe('active');
  }

  // A request answered 503 had no effect: repeated, it succeeds.
  const after = questions(session, asked);
  expect((await after.refresh!()).status).toBe(200);
  expect(await verdictOn(product, await clientToken(product))).toBe('active');
  const out = await after.signOut!();
  expect([200, 401]).toContain(out.status);
  await untilVerdict(product, session.tokens.access_token, 'session_ended');
  expect((await after.revoke!()).status).toBe(200);
  await untilVerdict(product, asked.access_token, 'revoked');
}

test('Postgres stopped cleanly for five seconds: 503 with a code, recovery within five seconds, no half rotation, no user signed out', () =>
  outage(async () => {
    await stores.end('postgres', 'SIGINT');
    return () => stores.revive('postgres');
  }));

test('Postgres killed for five seconds: the same', () =>
  outage(async () => {
    await stores.end('postgres', 'SIGKILL');
    return () => stores.revive('postgres');
  }));

test('Postgres frozen for five seconds with every connection open and silent: the same', () =>
  outage(async () => {
    const thaw = stores.freezePostgres();
    return async () => thaw();
  }));

test('the API process was never replaced', () => {
  expect(product.apiPid()).toBe(product.ready.pids.api);
  expect(product.output()).not.toMatch(/api-1 ended|unhandled/);
});
