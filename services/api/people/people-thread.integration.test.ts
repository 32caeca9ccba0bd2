import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import type { LoginAnswer } from '#services/domain/identity/sessions/open-session.ts';
import type { Caller } from '#services/domain/ports.ts';
import { stateRewound } from '#services/domain/tokens/revocations/revocations-contract.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { prepareKeys } from '#testing/api-copy.ts';
import { newPerson } from '#testing/harness/identity-world.ts';
import { errorsTo } from '#testing/quiet-log.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '#testing/stores.ts';
import { type PeopleThread, startPeopleThread } from './people-thread.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const errors: string[] = [];
const log = errorsTo(errors);
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';
const caller: Caller = {
  kind: 'anonymous',
  request: { ip: '192.0.2.7', userAgent: 'test/1', traceId: traceparent.slice(3, 35), traceparent },
};

let database: TestDatabase;
let db: pg.Pool;
let dataDir: string;
let people: PeopleThread;
const epochs: number[] = [];
let isRewound = (): boolean => false;

beforeAll(async () => {
  database = await createTestDatabase();
  const authSecret = randomBytes(32).toString('base64url');
  await prepareKeys({ databaseUrl: database.url, authSecret }, loadConfig({ BETTER_AUTH_SECRET: authSecret }));
  db = new pg.Pool({ connectionString: database.url, max: 1 });
  dataDir = await mkdtemp(join(tmpdir(), 'sallyport-people-'));
  people = startPeopleThread({
    log,
    caughtUp: async (epoch) => void epochs.push(epoch),
    assertIssuing: () => {
      if (isRewound()) throw stateRewound();
    },
    entry: new URL('../../../testing/processes/failing-people.ts', import.meta.url),
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: database.url,
      REDIS_URL: testRedisUrl(),
      SALLYPORT_DATA_DIR: dataDir,
      BETTER_AUTH_SECRET: authSecret,
      HASHER_CHILDREN: '1',
      LOG_LEVEL: 'silent',
    },
  });
  await people.ready();
});
afterAll(async () => {
  await people.close();
  await db.end();
  await database.drop();
  await rm(dataDir, { recursive: true, force: true });
});

const cookieOf = (setCookie: readonly string[]): string => setCookie.map((line) => line.split(';', 1)[0]).join('; ');
const countOf = (name: string): number =>
  registry
    .collect()
    .find((metric) => metric.name === name)
    ?.series.reduce((sum, { value }) => sum + value, 0) ?? 0;

describe('logins in a thread of their own', () => {
  test('a sign-up and a sign-in answer as they do in place, with the request’s trace in the audit row', async () => {
    const person = newPerson();
    const made = (await people.signUp(person, caller)) as LoginAnswer;
    const { body, setCookie } = await people.signIn(person, caller);
    expect(body.user).toMatchObject({ email: person.email, id: made.body.user.id });
    expect(body.tokens).toMatchObject({ token_type: 'Bearer', expires_in: 900 });
    expect(setCookie.length).toBeGreaterThan(0);
    const { rows } = await db.query(
      `SELECT traceparent FROM audit_outbox WHERE type = 'user.login' AND actor_id = '${body.user.id}'`,
    );
    expect(rows).toEqual([{ traceparent }]);
  });

  test('an answer that ended a session leaves only after the API has read that revocation', async () => {
    const person = newPerson();
    const first = await people.signUp(person, caller);
    epochs.length = 0;
    await people.signIn({ ...person, cookie: cookieOf(first.setCookie) }, caller);
    const { rows } = await db.query('SELECT revocation_epoch::int AS epoch FROM feed_state');
    const { epoch } = rows[0];
    expect(epoch).toBeGreaterThan(0);
    expect(epochs).toEqual([epoch]);
  });

  test('a refusal keeps its code, its status and its words', async () => {
    const person = newPerson();
    await people.signUp(person, caller);
    await expect(people.signIn({ ...person, password: 'not the right one' }, caller)).rejects.toMatchObject({
      code: 'login_refused',
      definition: { status: 401 },
    });
    await expect(people.signUp({ ...person, password: 'short' }, caller)).rejects.toMatchObject({
      code: 'password_too_short',
    });
  });

  test('on a rewound database no login begins, and one that the thread made unaware of it is not answered', async () => {
    const person = newPerson();
    await people.signUp(person, caller);
    isRewound = () => true;
    await expect(people.signIn(person, caller)).rejects.toMatchObject({ code: 'state_rewound' });
    let asked = 0;
    isRewound = () => asked++ > 0;
    await expect(people.signIn(person, caller)).rejects.toMatchObject({ code: 'state_rewound' });
    expect(asked).toBe(2);
    isRewound = () => false;
    await people.signIn(person, caller);
  });

  test('a client that leaves gives up its place in the queue', async () => {
    const person = newPerson();
    const gone = new AbortController();
    const ahead = people.signUp(person, caller);
    const left = people.signUp({ ...newPerson(), signal: gone.signal }, caller);
    gone.abort();
    await expect(left).rejects.toMatchObject({ code: 'hashing_busy' });
    await ahead;
  });

  test('a thread that dies costs a 503 for what it had in hand, and is started again; its counts stay counted', async () => {
    const person = newPerson();
    await people.signUp(person, caller);
    await people.count();
    const before = countOf('sallyport_signups');
    expect(before).toBeGreaterThan(0);
    await expect(
      people.signIn({ email: 'crash@people.test', password: person.password }, caller),
    ).rejects.toMatchObject({
      code: 'login_unavailable',
      definition: { status: 503 },
      options: { retryAfterSeconds: 1 },
    });
    expect(errors).toEqual(['the thread of logins failed']);
    await expect(people.signIn(person, caller)).rejects.toMatchObject({ code: 'login_unavailable' });
    await vi.waitFor(() => people.signIn(person, caller), { timeout: 60_000, interval: 200 });
    await people.signUp(newPerson(), caller);
    await people.count();
    expect(countOf('sallyport_signups')).toBe(before + 1);
  });
});

test('a thread that cannot start says so', async () => {
  const broken = startPeopleThread({
    log,
    caughtUp: async () => {},
    assertIssuing: () => {},
    env: { LOG_LEVEL: 'silent' },
  });
  await expect(broken.ready()).rejects.toThrow('ended before it was ready');
  await broken.close();
});

test('a thread that the system refuses is asked for again, and ends no process', async () => {
  errors.length = 0;
  const refused = startPeopleThread({
    log,
    caughtUp: async () => {},
    assertIssuing: () => {},
    entry: new URL('http://threads.test/none'),
  });
  await expect(refused.ready()).rejects.toThrow('ended before it was ready');
  await expect(refused.signIn(newPerson(), caller)).rejects.toMatchObject({ code: 'login_unavailable' });
  await vi.waitFor(() => expect(errors.length).toBeGreaterThan(2), { timeout: 60_000 });
  expect(new Set(errors)).toEqual(new Set(['the thread of logins could not be started']));
  await refused.close();
});
