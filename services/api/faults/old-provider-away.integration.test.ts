// The provider that is being replaced goes away, is slow or rotates its keys: its users get a clear answer in time, and
// ours notice nothing.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { LEGACY_AUDIENCE, type LegacyProvider, startLegacyProvider } from '#testing/fakes/legacy-provider.ts';
import { insertPerson } from '#testing/flows/signed-in.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#testing/harness/api.ts';
import { expectErrorForm, type Received, send } from '#testing/http-client.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const PASSWORD = 'a long enough password';
/** Keys are waited for three seconds; a busy machine gets the rest. The provider answers after twenty. */
const THEIRS_MS = 8_000;
/** Less than the wait for keys, so that an answer of ours that waits for it is noticed. */
const OURS_MS = 2_500;

let provider: LegacyProvider;
let harness: ApiHarness;
let api: ApiCopy;

const start = () =>
  harness.startCopy({
    env: {
      LEGACY_ISSUER: provider.issuer,
      LEGACY_JWKS_URI: provider.jwksUri,
      LEGACY_AUDIENCE,
      LEGACY_BRIDGE_UNTIL: new Date(Date.now() + 3_600_000).toISOString(),
    },
  });

beforeAll(async () => {
  [provider, harness] = await Promise.all([startLegacyProvider(), openApiHarness()]);
  api = await start();
});
afterAll(async () => {
  await harness?.close();
  await provider?.close();
});

async function theirUser(): Promise<string> {
  const sub = randomUUID();
  const id = await insertPerson(api, `${sub}@people.test`);
  await harness.rows(`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('clerk', $1, $2)`, [sub, id]);
  return sub;
}

const validate = (token: string) => send(api.url, 'POST', '/v1/tokens/validate', { json: { token } });
const exchange = (token: string) => send(api.url, 'POST', '/v1/legacy/sessions', { json: { token } });
const signIn = (email: string) => send(api.url, 'POST', '/api/auth/signin', { json: { email, password: PASSWORD } });

type Timed = { readonly answer: Received; readonly ms: number };
async function timed(work: () => Promise<Received>): Promise<Timed> {
  const startedAt = performance.now();
  return { answer: await work(), ms: performance.now() - startedAt };
}
const slowest = (all: readonly Timed[]): number => Math.max(...all.map(({ ms }) => ms));

/** A busy machine may refuse a sign-up, which is repeated: it is not what these tests are about. */
async function ourUser(): Promise<string> {
  const email = `${randomUUID()}@people.test`;
  const answer = await send(api.url, 'POST', '/api/auth/signup', { json: { email, password: PASSWORD } });
  if (answer.status === 503) return ourUser();
  expect(answer.status, answer.text).toBe(201);
  return email;
}

/** One of our users signs in and validates again and again until the promise settles. */
async function oursWhile(email: string, theirs: Promise<unknown>) {
  let isOver = false;
  void theirs.finally(() => {
    isOver = true;
  });
  const all: Timed[] = [];
  do {
    const signed = await timed(() => signIn(email));
    expect(signed.answer.status, signed.answer.text).toBe(200);
    const token = signed.answer.body.tokens.access_token;
    const checked = await timed(() => validate(token));
    const batch = await timed(() =>
      send(api.url, 'POST', '/v1/tokens/validate-batch', { json: { tokens: [token, token] } }),
    );
    expect([checked.answer.body.active, batch.answer.body.results[1].active]).toEqual([true, true]);
    all.push(signed, checked, batch);
  } while (!isOver && all.length < 60);
  return all;
}

describe('the old provider', () => {
  test('that answers after twenty seconds: its users get 503 in time, ours sign in and validate meanwhile', async () => {
    provider.slow(20_000);
    const [sub, email] = [await theirUser(), await ourUser()];
    const tokens = await Promise.all(Array.from({ length: 10 }, (_, at) => provider.token({ sub, sid: `s${at}` })));
    const theirs = Promise.all(
      tokens.flatMap((token, at) => [timed(() => validate(token)), ...(at < 3 ? [timed(() => exchange(token))] : [])]),
    );
    const ours = await oursWhile(email, theirs);
    for (const { answer } of await theirs) {
      expectErrorForm(answer);
      expect([answer.status, answer.body.code]).toEqual([503, 'legacy_keys_unavailable']);
      expect(answer.body.fix).toBeTruthy();
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect(slowest(await theirs)).toBeLessThan(THEIRS_MS);
    expect(ours.length).toBeGreaterThanOrEqual(6);
    expect(slowest(ours)).toBeLessThan(OURS_MS);
    // The next ones do not wait again.
    expect((await timed(() => validate(tokens[0] as string))).ms).toBeLessThan(OURS_MS);
    expect(provider.reads()).toBe(1);
    provider.slow(0);
  });

  test('that rotates its keys and goes away: what was signed before goes on, ours too', async () => {
    api = await start();
    const [sub, email] = [await theirUser(), await ourUser()];
    const before = await provider.token({ sub, sid: 'before' });
    expect((await validate(before)).body).toMatchObject({ active: true, issuer_kind: 'legacy' });
    await provider.rotate();
    provider.goAway();
    const [reads, after] = [provider.reads(), await provider.token({ sub, sid: 'after' })];
    const theirs = Promise.all([
      ...Array.from({ length: 10 }, () => timed(() => validate(after))),
      timed(() => exchange(before)),
    ]);
    const ours = await oursWhile(email, theirs);
    const answers = await theirs;
    expect(answers.slice(0, -1).map(({ answer }) => answer.body)).toEqual(
      Array.from({ length: 10 }, () => ({ active: false, reason: 'unknown_key' })),
    );
    expect(answers.at(-1)?.answer.status).toBe(200);
    expect(slowest([...answers, ...ours])).toBeLessThan(OURS_MS);
    // Unknown kids do not make us ask again and again.
    expect(provider.reads() - reads).toBeLessThanOrEqual(1);
  });
});
