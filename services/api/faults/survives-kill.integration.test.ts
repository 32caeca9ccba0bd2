import { randomBytes, randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest';
import { refreshFamilyRotateBatch } from '#services/core/tokens/refresh/refresh-families.store.ts';
import { recordProcess, waitForExit } from '#services/platform/local/processes.ts';
import { eventually } from '#tools/testing/eventually.ts';
import {
  claimsIn,
  generationOf,
  issueFor,
  type Pair,
  patiently,
  refresh,
  signIn,
  verdictOn,
} from '#tools/testing/flows/flows.ts';
import { asPromised } from '#tools/testing/harness/busy-machine.ts';
import { queryRows, rawSql } from '#tools/testing/harness/ports.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { expectProblem, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { descendantsOf, isAlive } from '#tools/testing/processes/alive.ts';
import { REAL_HASHING } from '#tools/testing/processes/child-env.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';

asPromised();

const shared = {
  BETTER_AUTH_SECRET: randomBytes(32).toString('base64url'),
  BETTER_AUTH_URL: 'http://auth.sallyport.test',
  WORKER_COPIES: '0',
  REFRESH_GRACE_SECONDS: '60',
  REFRESH_GRACE_USES: '1000',
};

const database = opened(createTestDatabase);
/** A proxy between the killed copy and Postgres: the traffic it passes decides when the copy dies. */
const proxy = opened(() => startTcpProxy(database.url));
const redisUrl = testRedisUrl();
const victim = opened(() => startProduct({ stores: { databaseUrl: proxy.url, redisUrl }, env: shared }));
// Its sign-ins take a while: the one that ends by SIGTERM in the last tests.
const witness = opened(() =>
  startProduct({
    stores: { databaseUrl: database.url, redisUrl },
    env: { ...shared, ...REAL_HASHING, HASHER_CHILDREN: '2' },
  }),
);
const user = opened(() => signIn(witness, witness.credentials.user));
afterAll(() => proxy?.thaw());

const rows = rawSql((text, values) => queryRows(database.url)(text, values));
type Family = { id: string; generation: number; revoked_at: Date | null };
const familyOf = async (pair: Pair): Promise<Family> => {
  const [family] = await rows<Family>`SELECT id, generation, revoked_at FROM refresh_families
    WHERE id = ${claimsIn(pair.access_token).fid}`;
  return family!;
};

async function kill(): Promise<void> {
  const api = recordProcess(victim.apiPid()!);
  process.kill(api.pid, 'SIGKILL');
  await waitForExit(api, 10_000);
  proxy.thaw();
}
const isReady = async (): Promise<boolean> =>
  send(victim.api, 'GET', '/readyz').then(
    ({ status }) => status === 200,
    () => false,
  );

beforeEach(() => eventually('the copy to be ready', isReady));
// The supervisor restarts the copy after every test.
afterEach(() => eventually('the copy to be back', isReady));

describe('kill -9 of the API between commit and response', () => {
  test('a refresh: every retry, at this copy or another, gets the successor that the database has', async () => {
    const pairs = await Promise.all(Array.from({ length: 8 }, () => issueFor(witness, user.id)));
    // So that connections are open when answers stop.
    await refresh(victim, (await issueFor(witness, user.id)).refresh_token);
    proxy.holdAnswersTo(refreshFamilyRotateBatch.name);
    const lost = Promise.allSettled(pairs.map((pair) => refresh(victim, pair.refresh_token)));
    // Two statements are in flight: a later one waits for them and has not begun.
    await eventually('rotations to be committed', async () =>
      (await Promise.all(pairs.map(familyOf))).some(({ generation }) => generation === 1),
    );
    await kill();
    // No client received a successor.
    for (const answer of await lost)
      if (answer.status === 'fulfilled') expectProblem(answer.value, 503, 'store_unavailable');
    await eventually('the copy to be back', isReady);
    for (const pair of pairs) {
      const retries = await Promise.all(
        [witness, victim, witness, victim].map((copy) => patiently(() => refresh(copy, pair.refresh_token))),
      );
      expect(retries.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      const successors = new Set(retries.map(({ body }) => body.refresh_token));
      expect([...successors].map(generationOf)).toEqual([1]);
      expect(await familyOf(pair)).toMatchObject({ generation: 1, revoked_at: null });
      const next = await patiently(() => refresh(witness, [...successors][0]!));
      expect([next.status, generationOf(next.body.refresh_token)]).toEqual([200, 2]);
      const outcomes = await rows<{ outcome: string }>`SELECT outcome FROM audit_outbox
        WHERE target_id = ${claimsIn(pair.access_token).fid} AND type = 'token.refreshed' AND outcome = 'rotated'`;
      expect(outcomes).toHaveLength(2);
    }
  });

  test('an issue with an Idempotency-Key: the retry gets the token family that was committed, and there is only one', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const device = { id: randomUUID() };
    const issue = (copy: Product): Promise<Received> =>
      send(copy.api, 'POST', '/v1/tokens', {
        basic: copy.credentials.client,
        json: { user_id: user.id, device },
        headers,
      });
    const made = (): Promise<Family[]> =>
      rows<Family>`SELECT id, generation, revoked_at FROM refresh_families WHERE device->>'id' = ${device.id}`;
    proxy.holdAnswersTo('COMMIT');
    const lost = issue(victim).catch(() => undefined);
    await eventually('the login to be committed', async () => (await made()).length === 1);
    await kill();
    const answer = await lost;
    if (answer) expectProblem(answer, 503, 'store_unavailable');
    const retried = await patiently(() => issue(witness));
    expect(retried.status).toBe(201);
    await eventually('the copy to be back', isReady);
    const again = await patiently(() => issue(victim));
    expect(again.body.refresh_token).toBe(retried.body.refresh_token);
    const [family, ...others] = await made();
    expect(others).toEqual([]);
    expect(claimsIn(retried.body.access_token).fid).toBe(family!.id);
    expect(await verdictOn(victim, retried.body.access_token)).toBe('active');
    const events =
      await rows`SELECT id FROM audit_outbox WHERE target_id = ${family!.id} AND type = 'token.family_created'`;
    expect(events).toHaveLength(1);
  });

  test('a sign-out: the session, its tokens and its token family are revoked, even though the client got no answer', async () => {
    const person = await signIn(witness, witness.credentials.user);
    const csrf = { cookie: person.cookie, headers: { origin: shared.BETTER_AUTH_URL } };
    proxy.holdAnswersTo('COMMIT');
    const lost = send(victim.api, 'POST', '/api/auth/signout', csrf).catch(() => undefined);
    await eventually(
      'the end to be committed',
      async () => (await rows`SELECT id FROM sessions WHERE id = ${person.sessionId}`).length === 0,
    );
    await kill();
    const answer = await lost;
    if (answer) expect(answer.status).toBe(503);
    await eventually('the copy to be back', isReady);
    for (const copy of [witness, victim]) {
      const session = await patiently(() => send(copy.api, 'GET', '/api/auth/session', { cookie: person.cookie }));
      expect(session.status).toBe(401);
      await eventually(
        'the tokens to be dead',
        async () => (await verdictOn(copy, person.tokens.access_token)) === 'session_ended',
      );
      const refused = await patiently(() => refresh(copy, person.tokens.refresh_token));
      expectProblem(refused, 401, 'session_ended');
    }
  });
});

test('repeated kill -9 during many refreshes: no token family is lost, duplicated or revoked', async () => {
  const pairs = await Promise.all(Array.from({ length: 16 }, () => issueFor(witness, user.id)));
  const held = new Map(pairs.map((pair) => [claimsIn(pair.access_token).fid as string, pair.refresh_token]));
  let isOver = false;
  const refused: Received[] = [];
  const clients = [...held.keys()].map(async (fid, at) => {
    for (let turn = at; !isOver; turn += 1) {
      const token = held.get(fid)!;
      const answer = await refresh(turn % 4 === 0 ? witness : victim, token).catch(() => undefined);
      if (answer?.status === 200) {
        expect(generationOf(answer.body.refresh_token)).toBe(generationOf(token) + 1);
        held.set(fid, answer.body.refresh_token);
      } else {
        if (answer && answer.status !== 503) refused.push(answer);
        await sleep(20);
      }
    }
  });
  const total = (): number => [...held.values()].reduce((sum, token) => sum + generationOf(token), 0);
  for (let round = 0; round < 2; round += 1) {
    const before = total();
    await eventually('refreshes in flight', () => total() > before + 20);
    await kill();
    await eventually('the copy to be back', isReady);
  }
  const before = total();
  await eventually('refreshes after the last kill', () => total() > before + 20);
  isOver = true;
  await Promise.all(clients);
  expect(refused.map(({ text }) => text)).toEqual([]);
  for (const [fid, token] of held) {
    const [family] = await rows<Family>`SELECT id, generation, revoked_at FROM refresh_families WHERE id = ${fid}`;
    expect(family!.revoked_at).toBeNull();
    // An answer lost with its process leaves the client one token behind; its retry gets the same successor.
    expect([0, 1]).toContain(family!.generation - generationOf(token));
    const retry = await patiently(() => refresh(witness, token));
    expect([retry.status, generationOf(retry.body.refresh_token)]).toEqual([200, generationOf(token) + 1]);
  }
});

test('kill -9 of a copy that drains after SIGTERM, as of an evicted pod: what was acknowledged stays, what was not is done once by a retry', async () => {
  const made = (device: string): Promise<Family[]> =>
    rows<Family>`SELECT id, generation, revoked_at FROM refresh_families WHERE device->>'id' = ${device}`;
  const issue = (copy: Product, device: string, key: string): Promise<Received> =>
    send(copy.api, 'POST', '/v1/tokens', {
      basic: copy.credentials.client,
      json: { user_id: user.id, device: { id: device } },
      headers: { 'idempotency-key': key },
    });
  const endOf = (pair: Pair): Promise<Received> =>
    send(victim.api, 'POST', '/v1/tokens/revoke', {
      basic: victim.credentials.client,
      json: { family_id: claimsIn(pair.access_token).fid, reason: 'test' },
    });
  const [kept, ended, ...pairs] = (await Promise.all(Array.from({ length: 6 }, () => issueFor(witness, user.id)))) as [
    Pair,
    Pair,
    ...Pair[],
  ];
  const [acknowledged, unacknowledged] = [randomUUID(), randomUUID()];
  const key = randomUUID();
  const refreshed = await patiently(() => refresh(victim, kept.refresh_token));
  expect([refreshed.status, (await endOf(ended)).status]).toEqual([200, 200]);
  expect((await issue(victim, acknowledged, randomUUID())).status).toBe(201);

  // Refreshes that are committed and not answered, and an issue that has not reached the database.
  proxy.holdAnswersTo(refreshFamilyRotateBatch.name);
  const lost = [...pairs.map((pair) => refresh(victim, pair.refresh_token))];
  await eventually('rotations to be committed', async () =>
    (await Promise.all(pairs.map(familyOf))).some(({ generation }) => generation === 1),
  );
  proxy.freeze();
  lost.push(issue(victim, unacknowledged, key));
  const settled = Promise.allSettled(lost);
  const api = recordProcess(victim.apiPid()!);
  process.kill(api.pid, 'SIGTERM');
  await eventually('the copy to drain', async () => !(await isReady()));
  expect(isAlive(api.pid)).toBe(true);
  await kill();
  for (const answer of await settled) if (answer.status === 'fulfilled') expect(answer.value.status).toBe(503);
  await eventually('the copy to be back', isReady);

  const [next] = await made(acknowledged);
  expect(next).toMatchObject({ generation: 0, revoked_at: null });
  expectProblem(await patiently(() => refresh(victim, ended.refresh_token)), 401, 'session_ended');
  expect((await patiently(() => refresh(victim, refreshed.body.refresh_token))).status).toBe(200);
  expect(await made(unacknowledged)).toEqual([]);
  const retried = await patiently(() => issue(witness, unacknowledged, key));
  const again = await patiently(() => issue(victim, unacknowledged, key));
  expect([retried.status, again.body.refresh_token]).toEqual([201, retried.body.refresh_token]);
  expect(await made(unacknowledged)).toHaveLength(1);
  for (const pair of pairs) {
    const retries = await Promise.all(
      [witness, victim].map((copy) => patiently(() => refresh(copy, pair.refresh_token))),
    );
    expect(retries.map(({ status }) => status)).toEqual([200, 200]);
    expect(new Set(retries.map(({ body }) => body.refresh_token)).size).toBe(1);
    expect(await familyOf(pair)).toMatchObject({ generation: 1, revoked_at: null });
  }
});

describe('SIGTERM', () => {
  /** Sign-ins that are sent whole, and by its own count begun and not yet answered: hashing takes a while. */
  async function inFlight(product: Product, count: number): Promise<Promise<Received>[]> {
    // Its count has also what the supervisor asks, which may stand for a sign-in that is not yet sent.
    let sent = 0;
    const note = (message: unknown): void => {
      if ((message as { request: { origin: string } }).request.origin === product.api) sent += 1;
    };
    subscribe('undici:request:bodySent', note);
    onTestFinished(() => void unsubscribe('undici:request:bodySent', note));
    const logins = Array.from({ length: count }, () =>
      send(product.api, 'POST', '/api/auth/signin', { json: product.credentials.user }),
    );
    await eventually('the logins to be in flight', async () => {
      const { text } = await send(product.metrics, 'GET', '');
      return Number(/^http_server_active_requests\{[^}]*\} (\d+)$/m.exec(text)?.[1]) >= count && sent >= count;
    });
    return logins;
  }

  /** Each was answered: with success or, on a busy machine, that the queue is full. @returns those with success */
  function expectAnswered(answers: readonly Received[]): Received[] {
    const loggedIn = answers.filter(({ status }) => status === 200);
    for (const answer of answers) if (answer.status !== 200) expectProblem(answer, 503, 'hashing_busy');
    expect(loggedIn.length).toBeGreaterThanOrEqual(1);
    return loggedIn;
  }

  test('requests in flight finish, no new ones begin, and no process is left', async () => {
    const api = witness.apiPid()!;
    const logins = await inFlight(witness, 6);
    // Passwords start the hashing processes: the second only when the first is still busy.
    const hashing = await eventually('a hasher', () => descendantsOf(api).length > 0 && descendantsOf(api));
    const family = [witness.supervisorPid, api, ...hashing];
    const ended = witness.stop('SIGTERM');
    const answers = await Promise.all(logins);
    const [login] = expectAnswered(answers);
    expect(await verdictOn(victim, login!.body.tokens.access_token)).toBe('active');
    expect(await ended).toBe(0);
    // The hashing worker ends by itself once its API has.
    await eventually('the end of all', () => !family.some(isAlive));
    await expect(send(witness.api, 'GET', '/healthz')).rejects.toThrow();
  });

  test('a signal to the whole group, such as Ctrl-C, with local stores: the product drains first, then the stores stop', async () => {
    const stopping = await startProduct({
      clusterDir: inject('clusterDir'),
      env: { ...REAL_HASHING, DRAIN_SECONDS: '25' },
    });
    onTestFinished(() => stopping.dispose());
    const api = stopping.apiPid()!;
    const stores = (['postgres', 'redis'] as const).map((store) => stopping.storePid(store)!);
    const logins = await inFlight(stopping, 4);
    const all = [stopping.supervisorPid, api, ...descendantsOf(api), ...stores, ...stores.flatMap(descendantsOf)];
    const ended = stopping.stop('SIGINT');
    expectAnswered(await Promise.all(logins));
    expect(await ended).toBe(0);
    await eventually('the end of all', () => !all.some(isAlive));
  });
});
