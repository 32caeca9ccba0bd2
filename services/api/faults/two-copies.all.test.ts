// About: services/core/revocations/
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import {
  claimsIn,
  issueFor,
  refresh,
  revoke,
  signIn,
  signUp,
  tampered,
  untilVerdict,
  verdictOn,
} from '#tools/testing/flows/flows.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { createEmptyDatabase, queryRows, rawSql } from '#tools/testing/harness/ports.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { testRedisUrl } from '#tools/testing/harness/stores.ts';
import { expectProblem, requestText, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { isAlive } from '#tools/testing/processes/alive.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

asShipped();

// One installation: the same stores, secret and issuer; each copy has its own supervisor and data directory.
const shared = {
  BETTER_AUTH_SECRET: randomBytes(32).toString('base64url'),
  BETTER_AUTH_URL: 'http://auth.sallyport.test',
  // Long enough that a slow machine does not turn a repeat into a replay.
  REFRESH_GRACE_SECONDS: '60',
  WORKER_COPIES: '0',
};

let one: Product;
let two: Product;

const database = opened(() => createEmptyDatabase(inject('templateUrl')));
beforeAll(async () => {
  const stores = { databaseUrl: database.url, redisUrl: testRedisUrl() };
  // Both start at the same time, on a database without tables.
  [one, two] = await Promise.all([startProduct({ stores, env: shared }), startProduct({ stores, env: shared })]);
});
const user = opened(() => signUp(one));
afterAll(() => Promise.all([one?.dispose(), two?.dispose()]));

/** Every copy must refuse within a second; six seconds on a busy machine. */
const REFUSED_MS = 1_000;
const REFUSED_BUSY_MS = 6_000;

/** Milliseconds until each copy returns this decision for its token. */
const timesToVerdict = async (
  asked: readonly (readonly [Product, string])[],
  expected: string,
  since = performance.now(),
): Promise<number[]> =>
  Promise.all(
    asked.map(async ([copy, token]) => {
      await untilVerdict(copy, token, expected, REFUSED_BUSY_MS);
      return performance.now() - since;
    }),
  );
const medianOf = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)]!;

const rows = rawSql((text, values) => queryRows(database.url)(text, values));

describe('two copies started at once on an empty database', () => {
  test('apply each migration once', async () => {
    const applied = await rows<{ name: string }>`SELECT migration_name AS name FROM _prisma_migrations ORDER BY name`;
    expect(applied.length).toBeGreaterThan(0);
    expect(new Set(applied.map(({ name }) => name)).size).toBe(applied.length);
    const said = [one, two].flatMap((copy) => [...copy.output().matchAll(/migrations applied in [\d.]+ s: (\d+)/g)]);
    expect(said.map(([, count]) => Number(count))).toEqual([applied.length]);
  });

  test('have one signing key, one secret of each purpose, and one of each demo user and client', async () => {
    const keys = await rows<{ id: string }>`SELECT id FROM jwks WHERE purpose = 'access'`;
    expect(keys).toHaveLength(1);
    const secrets = await rows<{ purpose: string; count: number }>`SELECT purpose, count(*)::int AS count
      FROM server_secrets GROUP BY purpose`;
    expect(secrets.length).toBeGreaterThanOrEqual(4);
    for (const { purpose, count } of secrets) expect([purpose, count]).toEqual([purpose, 1]);
    expect(await rows`SELECT id FROM users WHERE email LIKE '%@sallyport.example'`).toHaveLength(2);
    expect(await rows`SELECT id FROM oauth_clients WHERE "clientId" = 'sallyport-demo'`).toHaveLength(1);
    for (const copy of [one, two]) {
      const { body } = await send(copy.api, 'GET', '/.well-known/jwks.json');
      expect(body.keys.map(({ kid }: { kid: string }) => kid)).toEqual([keys[0]!.id]);
    }
    expect(two.credentials).toEqual(one.credentials);
  });

  test('both serve, and each accepts what the other issued: tokens, sessions, refresh tokens', async () => {
    for (const [maker, taker] of [
      [one, two],
      [two, one],
    ] as const) {
      const person = await signIn(maker, maker.credentials.user);
      expect(await verdictOn(taker, person.tokens.access_token)).toBe('active');
      const session = await send(taker.api, 'GET', '/api/auth/session', { cookie: person.cookie });
      expect([session.status, session.body.user?.id]).toEqual([200, person.id]);
      expect((await refresh(taker, person.tokens.refresh_token)).status).toBe(200);
    }
  });
});

describe('parallel refreshes of one token over two copies', () => {
  const copies = () => [one, two] as const;

  test('sixty: one rotation, one successor for all, no 5xx, no revocation; the successor works, and reuse of the old tokens revokes the family within a second', async () => {
    const times: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const pair = await issueFor(one, user.id);
      const { fid } = claimsIn(pair.access_token);
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, at) => refresh(copies()[at % 2]!, pair.refresh_token)),
      );
      expect(answers.map(({ status }) => status)).toEqual(Array(60).fill(200));
      const successors = new Set(answers.map(({ body }) => body.refresh_token));
      expect(successors.size).toBe(1);
      expect(new Set(answers.map(({ body }) => claimsIn(body.access_token).jti)).size).toBe(60);
      const [family] = await rows<{ generation: number; revoked_at: Date | null }>`SELECT generation, revoked_at
        FROM refresh_families WHERE id = ${fid}`;
      expect(family).toEqual({ generation: 1, revoked_at: null });
      for (const { body } of answers.slice(0, 4)) expect(await verdictOn(two, body.access_token)).toBe('active');
      const [successor] = successors;
      const next = await refresh(two, successor);
      expect(next.status).toBe(200);
      expectProblem(await refresh(one, pair.refresh_token), 401, 'refresh_token_reused');
      const asked = copies().map((copy) => [copy, next.body.access_token] as const);
      times.push(...(await timesToVerdict(asked, 'family_reused')));
      // The refresh token that the attacker or the victim holds is revoked as well.
      expectProblem(await refresh(two, next.body.refresh_token), 401, 'refresh_token_reused');
    }
    expect(medianOf(times)).toBeLessThan(REFUSED_MS);
  });

  test('each of them is in the audit outbox: one rotation, the others as repeats', async () => {
    const pair = await issueFor(one, user.id);
    const { fid } = claimsIn(pair.access_token);
    await Promise.all(Array.from({ length: 20 }, (_, at) => refresh(copies()[at % 2]!, pair.refresh_token)));
    const outcomes = await rows<{ outcome: string; count: number }>`
      SELECT outcome, count(*)::int AS count FROM audit_outbox
      WHERE type = 'token.refreshed' AND target_id = ${fid} GROUP BY outcome`;
    expect(Object.fromEntries(outcomes.map(({ outcome, count }) => [outcome, count]))).toEqual({
      rotated: 1,
      grace: 19,
    });
  });

  test('many token families at once, each used at both copies: every one has one successor', async () => {
    const pairs = await Promise.all(Array.from({ length: 20 }, () => issueFor(one, user.id)));
    const answers = await Promise.all(
      pairs.flatMap((pair) =>
        [one, two, one, two].map(async (copy) => ({ pair, answer: await refresh(copy, pair.refresh_token) })),
      ),
    );
    for (const pair of pairs) {
      const mine = answers.filter((each) => each.pair === pair).map(({ answer }) => answer);
      expect(mine.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      expect(new Set(mine.map(({ body }) => body.refresh_token)).size).toBe(1);
    }
  });
});

describe('a refresh that waits unread at a paused copy while its client refreshes twice at the other', () => {
  /** How many requests a copy has refused to process, by its own count. */
  async function dropped(product: Product): Promise<number> {
    const { text } = await send(product.metrics, 'GET', '');
    return [...text.matchAll(/^sallyport_http_requests_dropped_total\{[^}]*\} (\d+)$/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
  }

  test.each([
    ['has closed its connection', true],
    ['still holds its connection open, as a proxy does', false],
  ])('revokes nothing when the copy resumes and the client %s', async (_state, hasClosed) => {
    const pair = await issueFor(two, user.id);
    const { fid } = claimsIn(pair.access_token);
    const before = await dropped(one);
    const { hostname, port } = new URL(one.api);
    const abandoned = createConnection({ host: hostname, port: Number(port) });
    abandoned.on('error', () => {});
    let newest = pair.refresh_token;
    process.kill(one.apiPid()!, 'SIGSTOP');
    try {
      // The kernel accepts connections for the stopped process and buffers what is written.
      await once(abandoned, 'connect');
      const body = JSON.stringify({ refresh_token: pair.refresh_token });
      const text = requestText('POST', '/v1/tokens/refresh', ['Content-Type: application/json'], body);
      await new Promise<void>((resolve) => abandoned.write(text, () => resolve()));
      const stoppedAt = performance.now();
      if (hasClosed) abandoned.destroy();
      for (let generation = 1; generation <= 2; generation += 1)
        newest = (await refresh(two, newest)).body.refresh_token;
      // Longer than a request may wait unread, or than one may without its connection being checked again.
      await sleep(Math.max(0, (hasClosed ? 200 : 1_100) - (performance.now() - stoppedAt)));
    } finally {
      process.kill(one.apiPid()!, 'SIGCONT');
    }
    if (!hasClosed) expect(String((await once(abandoned, 'data'))[0])).toContain('"code":"request_stale"');
    await eventually('the request to be refused', async () => (await dropped(one)) > before);
    abandoned.destroy();
    const [family] = await rows`SELECT generation, revoked_at FROM refresh_families WHERE id = ${fid}`;
    expect(family).toEqual({ generation: 2, revoked_at: null });
    expect((await refresh(one, newest)).status).toBe(200);
  });
});

test('guessing tokens for a known family id changes nothing: no query matches, no revocation, no rotation, no row', async () => {
  const pair = await issueFor(one, user.id);
  const { fid } = claimsIn(pair.access_token);
  const [, family, generation, nonce, mac] = pair.refresh_token.split('.') as [string, string, string, string, string];
  const audited = () => rows`SELECT type, outcome FROM audit_outbox WHERE target_id = ${fid} ORDER BY id`;
  const auditedBefore = await audited();
  expect(auditedBefore).not.toEqual([]);
  const [before] = await rows`SELECT *, xmin::text FROM refresh_families WHERE id = ${fid}`;
  const random = (bytes: number): string => randomBytes(bytes).toString('base64url');
  const guesses = Array.from({ length: 40 }, (_, at) => {
    const forms = [
      `sp_rt_1.${family}.${generation}.${random(32)}.${random(32)}`,
      `sp_rt_1.${family}.${generation}.${nonce}.${random(32)}`,
      `sp_rt_1.${family}.1.${nonce}.${mac}`,
      tampered(pair.refresh_token),
    ];
    return forms[at % forms.length]!;
  });
  const answers = await Promise.all(guesses.map((guess, at) => refresh(at % 2 === 0 ? one : two, guess)));
  for (const answer of answers) expectProblem(answer, 401, 'refresh_token_invalid');
  const [after] = await rows`SELECT *, xmin::text FROM refresh_families WHERE id = ${fid}`;
  expect(after).toEqual(before);
  expect(await audited()).toEqual(auditedBefore);
  expect((await refresh(two, pair.refresh_token)).status).toBe(200);
});

describe('a revocation at one copy reaches the other', () => {
  test('a revoked token, session, user and client are refused by every copy within a second', async () => {
    const person = await signUp(one);
    const times: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const pair = await issueFor(one, person.id);
      await revoke(one, { token: pair.access_token });
      const asked = [one, two].map((copy) => [copy, pair.access_token] as const);
      times.push(...(await timesToVerdict(asked, 'revoked')));
    }
    expect(medianOf(times)).toBeLessThan(REFUSED_MS);
    const other = await issueFor(one, person.id);
    await revoke(two, { user_id: person.id });
    await untilVerdict(one, other.access_token, 'revoked');
    expectProblem(await refresh(one, other.refresh_token), 401, 'session_ended');
  });

  test('a session signed out at one copy has no valid cookie, token or refresh token at the other', async () => {
    const person = await signIn(one, one.credentials.user);
    expect((await send(two.api, 'GET', '/api/auth/session', { cookie: person.cookie })).status).toBe(200);
    const answer = await send(one.api, 'POST', '/api/auth/signout', {
      cookie: person.cookie,
      headers: { origin: shared.BETTER_AUTH_URL },
    });
    expect(answer.status).toBe(200);
    await untilVerdict(two, person.tokens.access_token, 'session_ended');
    expect((await send(two.api, 'GET', '/api/auth/session', { cookie: person.cookie })).status).toBe(401);
    expectProblem(await refresh(two, person.tokens.refresh_token), 401, 'session_ended');
  });

  test('a key compromised at one copy is refused at the other, and both sign with its successor', async () => {
    const pair = await issueFor(one, user.id);
    const { kid } = decodeProtectedHeader(pair.access_token);
    const answer = await send(one.api, 'POST', `/v1/keys/${kid}/compromise`, {
      basic: one.credentials.client,
      json: { reason: 'leaked' },
    });
    expect(answer.status).toBe(202);
    for (const copy of [one, two]) {
      await untilVerdict(copy, pair.access_token, 'key_compromised');
      const fresh = await issueFor(copy, user.id);
      for (const verifier of [one, two]) await untilVerdict(verifier, fresh.access_token, 'active');
    }
  });
});

test('two starts at once in one new data directory share its stores: one key, one set of migrations, both serve, and the last to stop ends the stores', async () => {
  const folder = testFolder(onTestFinished);
  chmodSync(folder, 0o755);
  const dataDir = join(folder, 'data');
  const env = { BETTER_AUTH_URL: shared.BETTER_AUTH_URL, WORKER_COPIES: '0' };
  const [first, second] = await Promise.all([startProduct({ dataDir, env }), startProduct({ dataDir, env })]);
  try {
    expect(second.credentials).toEqual(first.credentials);
    const { database_url } = first.credentials;
    expect(await queryRows(database_url)`SELECT id FROM jwks WHERE purpose = 'access'`).toHaveLength(1);
    const applied = await queryRows(database_url)<{ name: string }>`SELECT migration_name AS name
      FROM _prisma_migrations`;
    expect(new Set(applied.map(({ name }) => name)).size).toBe(applied.length);
    const person = await signIn(first, first.credentials.user);
    expect(await verdictOn(second, person.tokens.access_token)).toBe('active');
    const stores = (['postgres', 'redis'] as const).map((store) => first.storePid(store)!);
    expect(await first.stop()).toBe(0);
    expect(stores.map(isAlive)).toEqual([true, true]);
    expect(await verdictOn(second, person.tokens.access_token)).toBe('active');
    expect((await refresh(second, person.tokens.refresh_token)).status).toBe(200);
    expect(await second.stop()).toBe(0);
    expect(stores.map(isAlive)).toEqual([false, false]);
  } finally {
    await Promise.all([first.dispose(), second.dispose()]);
  }
});
