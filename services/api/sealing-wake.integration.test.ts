import { beforeEach, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { newAuthSecret, newClient, startApiCopy } from '#tools/testing/harness/api.ts';
import { readyProducer } from '#tools/testing/harness/redis.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const redisUrl = testRedisUrl();

const database = opened(createTestDatabase);
const copy = opened(() => startApiCopy({ databaseUrl: database.url, redisUrl, authSecret: newAuthSecret() }));
const client = opened(() => newClient(copy, ['tokens:issue', 'tokens:revoke', 'tokens:read']));
const producer = opened(() => readyProducer(redisUrl));
beforeEach(() => producer.queue('audit-seal').obliterate({ force: true }));

const login = { email: 'wake@example.test', password: 'correct horse battery staple 1' };
let traces = 0;

/** Sends a request with its own trace; returns the answer's body and the trace id. */
async function sendTraced(path: string, body: object | undefined, headers: Record<string, string> = {}) {
  traces += 1;
  const traceId = traces.toString(16).padStart(32, 'a');
  const response = await fetch(copy.url + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      traceparent: `00-${traceId}-b7ad6b7169203331-01`,
      ...(body instanceof URLSearchParams ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? null : body instanceof URLSearchParams ? body : JSON.stringify(body),
  });
  return { traceId, status: response.status, body: (await response.json()) as Json };
}

const waiting = () => producer.queue('audit-seal').getJobs(['wait', 'delayed', 'active']);
const form = (fields: Record<string, string>) => new URLSearchParams(fields);

const writers: Record<string, () => Promise<{ traceId: string; status: number }>> = {
  'a sign-up': () => sendTraced('/api/auth/signup', login),
  'a login': () => sendTraced('/api/auth/signin', login),
  'a failed login': () => sendTraced('/api/auth/signin', { ...login, password: 'wrong horse battery staple 1' }),
  'a client token': () =>
    sendTraced('/oauth2/token', form({ grant_type: 'client_credentials' }), { authorization: client.basic }),
  'a refresh': async () => {
    const { body } = await sendTraced('/api/auth/signin', login);
    await eventually('the wake of the login', async () => (await waiting()).length > 0);
    await producer.queue('audit-seal').obliterate({ force: true });
    return sendTraced('/v1/tokens/refresh', { refresh_token: body.tokens.refresh_token });
  },
  'a revocation': () =>
    sendTraced('/v1/tokens/revoke', { client_id: 'no-such-client', reason: 'test' }, { authorization: client.basic }),
};

test.each(Object.keys(writers))('%s wakes sealing, in its own trace', async (what) => {
  const { traceId, status } = await (writers[what] as (typeof writers)[string])();
  expect(status).toBeLessThan(500);
  const jobs = await eventually(`a wake of ${traceId}`, async () => {
    const found = (await waiting()).filter((job) => job.data.traceparent?.includes(traceId));
    return found.length > 0 && found;
  });
  expect(jobs[0]).toMatchObject({ name: 'seal-audit-events', data: { payload: {} } });
});

test('reading and validating do not wake sealing', async () => {
  const { body } = await sendTraced('/api/auth/signin', login);
  await eventually('the wake of the login', async () => (await waiting()).length > 0);
  await producer.queue('audit-seal').obliterate({ force: true });
  const quiet = [];
  for (let ask = 0; ask < 20; ask += 1)
    quiet.push(await sendTraced('/v1/tokens/validate', { token: body.tokens.access_token }));
  quiet.push(await sendTraced('/.well-known/jwks.json', undefined));
  expect(quiet.map(({ status }) => status)).toEqual(quiet.map(() => 200));
  // A sign-in after them: any wake of theirs would have arrived before its own.
  const last = await sendTraced('/api/auth/signin', login);
  const jobs = await eventually('the last wake', async () => {
    const found = await waiting();
    return found.some((job) => job.data.traceparent?.includes(last.traceId)) && found;
  });
  expect(jobs).toHaveLength(1);
});
