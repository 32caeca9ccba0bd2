import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { loadConfig } from '#services/platform/config/load.ts';
import { commandOf } from '#services/platform/local/processes.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, openApiHarness } from '#tools/testing/harness/api.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { cookieOf, expectErrorForm, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { descendantsOf } from '#tools/testing/processes/alive.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';

const machine = asShipped();

const WRITE_MS = loadConfig({}).stores.writeMs;
/** The time is 0.8 s; a busy machine, and a hash that waits for its processor, get the rest. The limits of the statements alone would add up to more. */
const BOUND_MS = 3_000 * machine;
const CROWD = 40;
/** A copy knows once its revocations are two seconds old; it then refuses from memory. */
const KNOWN_MS = 2_000;
const KNOWN_BOUND_MS = 1_000 * machine;
/** Validation is one to two milliseconds of the process; a busy machine gets the rest. */
const VALIDATION_BOUND_MS = 100 * machine;
/** A copy whose poll was late on a busy machine refuses before it asks the database. */
const UNAVAILABLE = /^(store_unavailable|revocation_state_stale)$/;
const PASSWORD = 'a long enough password';

const harness = opened(openApiHarness);
const postgres = opened(() => startTcpProxy(harness.databaseUrl));
const api = opened(() => harness.startCopy({ databaseUrl: postgres.url, env: { WRITE_TIMEOUT_MS: String(WRITE_MS) } }));
const client = opened(() => harness.newClient(['tokens:issue', 'tokens:revoke', 'tokens:introspect']));

type Login = { readonly email: string; readonly cookie: string; readonly access: string; readonly refresh: string };

/** A busy machine may refuse a sign-up, which is repeated: it is not what these tests are about. */
async function signUp(): Promise<Login> {
  const email = `d${Math.random().toString(36).slice(2)}@example.test`;
  const answer = await send(api.url, 'POST', '/api/auth/signup', { json: { email, password: PASSWORD } });
  if (answer.status === 503) return signUp();
  expect(answer.status, answer.text).toBe(201);
  const { access_token, refresh_token } = answer.body.tokens;
  return { email, cookie: cookieOf(answer), access: access_token, refresh: refresh_token };
}

const signIn = ({ email }: Login): Promise<Received> =>
  send(api.url, 'POST', '/api/auth/signin', { json: { email, password: PASSWORD } });
const signOut = ({ cookie }: Login): Promise<Received> =>
  send(api.url, 'POST', '/api/auth/signout', { cookie, headers: { origin: API_URL } });
const endSessions = ({ cookie }: Login): Promise<Received> =>
  send(api.url, 'POST', '/api/auth/revoke-sessions', { cookie, headers: { origin: API_URL }, json: {} });
const revoke = ({ refresh }: Login): Promise<Received> =>
  send(api.url, 'POST', '/v1/tokens/revoke', { basic: client, json: { token: refresh, reason: 'test' } });
const revokeUser = (userId: string): Promise<Received> =>
  send(api.url, 'POST', '/v1/tokens/revoke', { basic: client, json: { user_id: userId, reason: 'test' } });
const post = (path: string, json: unknown): Promise<Received> => send(api.url, 'POST', path, { json });
const isActive = async ({ access }: Login): Promise<boolean> =>
  (await send(api.url, 'POST', '/v1/tokens/validate', { json: { token: access } })).body.active;

/** Validates one token after another; how long each answer took, in order of time. */
async function validateUntil(signal: AbortSignal, { access }: Login): Promise<number[]> {
  const times: number[] = [];
  while (!signal.aborted) {
    const startedAt = performance.now();
    const { status } = await post('/v1/tokens/validate', { token: access });
    times.push(performance.now() - startedAt);
    expect([200, 503]).toContain(status);
    await sleep(5);
  }
  return times.sort((one, other) => one - other);
}

type Timed = { readonly name: string; readonly status: number; readonly code?: string; readonly ms: number };

async function timed(name: string, work: () => Promise<Received>): Promise<Timed> {
  const startedAt = performance.now();
  const answer = await work();
  const ms = performance.now() - startedAt;
  if (answer.status !== 200) {
    expectErrorForm(answer);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  }
  return { name, status: answer.status, code: answer.body.code, ms };
}

/** Sends every kind of request while `fault` lasts; each is answered in time, and its repetition succeeds. */
async function outage(fault: () => Promise<() => Promise<void>>, mayStillSucceed: readonly string[]): Promise<void> {
  const signingIn = await signUp();
  const signingOut = await signUp();
  const ending = await signUp();
  const revoked = await signUp();
  const person = await newSignedIn(api);
  const requests = {
    signIn: () => signIn(signingIn),
    signOut: () => signOut(signingOut),
    endSessions: () => endSessions(ending),
    revoke: () => revoke(revoked),
    revokeUser: () => revokeUser(person.id),
    // More than there are connections: these wait for one first.
    ...Object.fromEntries(Array.from({ length: CROWD }, (_, at) => [`crowd${at}`, () => revokeUser(person.id)])),
  };
  const end = await fault();
  const answers = await Promise.all(Object.entries(requests).map(([name, ask]) => timed(name, ask)));
  await end();
  for (const { name, status, code, ms } of answers) {
    if (!mayStillSucceed.includes(name.replace(/\d+$/, '')))
      expect([name, status, code]).toEqual([name, 503, expect.stringMatching(UNAVAILABLE)]);
    expect([name, ms < BOUND_MS ? 'in time' : `after ${ms} ms`]).toEqual([name, 'in time']);
  }
  await eventually('sign-ins again', async () => (await signIn(signingIn)).status === 200);
  // Happened or not: a repetition succeeds, and then it has happened.
  expect([200, 401]).toContain((await signOut(signingOut)).status);
  expect([200, 401]).toContain((await endSessions(ending)).status);
  expect((await revoke(revoked)).status).toBe(200);
  expect((await revokeUser(person.id)).status).toBe(200);
  await vi.waitFor(async () => {
    for (const login of [signingOut, ending, revoked]) expect(await isActive(login)).toBe(false);
  });
  expect(await isActive(signingIn)).toBe(true);
}

/** Locks a table as an ALTER TABLE does. */
async function lock(table: string): Promise<() => Promise<void>> {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const locked = Promise.withResolvers<void>();
  const done = harness.owner.transact(async (tx) => {
    await tx.query({ name: `lock_${table}`, text: `LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`, writes: true });
    locked.resolve();
    await released;
  });
  await locked.promise;
  return async () => {
    release();
    await done;
  };
}

test.each([
  ['refresh_families', []],
  ['audit_outbox', []],
  ['sessions', ['revoke']],
] as const)('%s locked: sign-in and revoke answer 503 in time, and a repetition succeeds', (table, mayStillSucceed) =>
  outage(() => lock(table), mayStillSucceed),
);

test('each statement half a second slower: the same, and their times do not add up', () =>
  outage(async () => {
    postgres.delay(250);
    return async () => postgres.delay(0);
  }, ['signOut', 'endSessions', 'revoke', 'revokeUser', 'crowd']));

test('each statement two seconds slower: every write answers 503 in time, and at once when the copy knows; validation never waits', async () => {
  const login = await signUp();
  const admin = await harness.newClient(['users:manage']);
  postgres.delay(1_000);
  try {
    const requests = {
      signIn: () => signIn(login),
      signUp: () => post('/api/auth/signup', { email: `x${login.email}`, password: PASSWORD }),
      reset: () => post('/api/auth/request-password-reset', { email: login.email }),
      signOut: () => signOut(login),
      refresh: () => post('/v1/tokens/refresh', { refresh_token: login.refresh }),
      revoke: () => revoke(login),
      invite: () =>
        send(api.url, 'POST', '/v1/admin/users', { basic: admin, json: { email: login.email, reason: 'x' } }),
    };
    const all = () => Promise.all(Object.entries(requests).map(([name, ask]) => timed(name, ask)));
    const refused = async (boundOf: (name: string) => number): Promise<void> => {
      for (const { name, status, ms } of await all())
        expect([name, status, ms < boundOf(name) ? 'in time' : `after ${ms} ms`]).toEqual([name, 503, 'in time']);
    };
    const isOver = new AbortController();
    const validations = validateUntil(isOver.signal, login);
    try {
      await refused(() => BOUND_MS);
      await sleep(KNOWN_MS);
      // A request for a mail shows no credential that could be revoked, and asks PostgreSQL.
      await refused((name) => (name === 'reset' ? BOUND_MS : KNOWN_BOUND_MS));
    } finally {
      isOver.abort();
    }
    const times = await validations;
    // The middle says what the product does; the slowest, what else the machine does.
    expect(times[Math.floor(times.length / 2)]).toBeLessThan(VALIDATION_BOUND_MS);
  } finally {
    postgres.delay(0);
  }
  await eventually('sign-ins again', async () => (await signIn(login)).status === 200);
});

test('the time of the password hash is not counted', async () => {
  const login = await signUp();
  const hashers = descendantsOf(process.pid).filter((pid) => /hasher/.test(commandOf(pid)));
  expect(hashers).not.toEqual([]);
  // Counted, a hash of twice the deadline would leave no time for the statements after it: no attempt would succeed.
  await eventually('a sign-in that outlasts its hash', async () => {
    for (const pid of hashers) process.kill(pid, 'SIGSTOP');
    const answer = signIn(login);
    await sleep(2 * WRITE_MS);
    for (const pid of hashers) process.kill(pid, 'SIGCONT');
    return (await answer).status === 200;
  });
});
