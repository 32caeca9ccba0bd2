// The provider that is being replaced goes away, is slow or rotates its keys: its users get a clear answer in time, and
// ours notice nothing.
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { LEGACY_AUDIENCE, startLegacyProvider } from '#tools/testing/fakes/legacy-provider.ts';
import { insertPerson } from '#tools/testing/flows/signed-in.ts';
import { type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import { expectErrorForm, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const BUSY = /^(?:store_unavailable|revocation_state_stale)$/;
const PASSWORD = 'a long enough password';
const SLOW_MS = 20_000;
/** Keys are waited for three seconds; a busy machine gets the rest. */
const BOUND_MS = 15_000;

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

const provider = opened(startLegacyProvider);
const harness = opened(openApiHarness);
beforeAll(async () => {
  api = await start();
});

async function theirUser(): Promise<string> {
  const sub = randomUUID();
  const id = await insertPerson(api, `${sub}@people.test`);
  await harness.rows`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('clerk', ${sub}, ${id})`;
  return sub;
}

const validate = (token: string) => send(api.url, 'POST', '/v1/tokens/validate', { json: { token } });
const exchange = (token: string) => send(api.url, 'POST', '/v1/legacy/sessions', { json: { token } });
const signIn = (email: string) => send(api.url, 'POST', '/api/auth/signin', { json: { email, password: PASSWORD } });

type Timed = { readonly answer: Received; readonly ms: number };
/** A busy machine may refuse for a moment: the request is repeated, and the repetition is timed. */
async function timed(work: () => Promise<Received>, repetitions = 5): Promise<Timed> {
  const startedAt = performance.now();
  const answer = await work();
  const isBusy = answer.status === 503 && BUSY.test(answer.body.code);
  return isBusy && repetitions > 0 ? timed(work, repetitions - 1) : { answer, ms: performance.now() - startedAt };
}
const slowest = (all: readonly Timed[]): number => Math.max(...all.map(({ ms }) => ms));

type Ours = { readonly email: string; readonly token: string };

async function ourUser(): Promise<Ours> {
  const email = `${randomUUID()}@people.test`;
  const { answer } = await timed(() =>
    send(api.url, 'POST', '/api/auth/signup', { json: { email, password: PASSWORD } }),
  );
  expect(answer.status, answer.text).toBe(201);
  return { email, token: answer.body.tokens.access_token };
}

/** One of our users validates and signs in until the promise settles; all answers, and how many came before that. */
async function oursWhile({ email, token }: Ours, theirs: Promise<unknown>) {
  let isOver = false;
  void theirs.finally(() => {
    isOver = true;
  });
  const all: Timed[] = [];
  let meanwhile = 0;
  const ask = async (work: () => Promise<Received>): Promise<Received> => {
    const found = await timed(work);
    all.push(found);
    if (!isOver) meanwhile += 1;
    return found.answer;
  };
  do {
    const checked = await ask(() => validate(token));
    const signed = await ask(() => signIn(email));
    expect(signed.status, signed.text).toBe(200);
    const tokens = [token, signed.body.tokens.access_token];
    const batch = await ask(() => send(api.url, 'POST', '/v1/tokens/validate-batch', { json: { tokens } }));
    expect(batch.status, batch.text).toBe(200);
    expect([checked, ...batch.body.results.map((body: object) => ({ body }))].map(({ body }) => body.active)).toEqual([
      true,
      true,
      true,
    ]);
  } while (!isOver && all.length < 60);
  return { all, meanwhile };
}

describe('the old provider', () => {
  test('that answers after twenty seconds: its users get 503 in time, ours sign in and validate meanwhile', async () => {
    provider.slow(SLOW_MS);
    const [sub, ours] = [await theirUser(), await ourUser()];
    const tokens = await Promise.all(Array.from({ length: 10 }, (_, at) => provider.token({ sub, sid: `s${at}` })));
    const theirs = Promise.all(
      tokens.flatMap((token, at) => [timed(() => validate(token)), ...(at < 3 ? [timed(() => exchange(token))] : [])]),
    );
    const { all, meanwhile } = await oursWhile(ours, theirs);
    for (const { answer } of await theirs) {
      expectErrorForm(answer);
      expect([answer.status, answer.body.code]).toEqual([503, 'legacy_keys_unavailable']);
      expect(answer.body.fix).toBeTruthy();
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect(slowest([...(await theirs), ...all])).toBeLessThan(BOUND_MS);
    expect(meanwhile).toBeGreaterThan(0);
    expect(provider.reads()).toBe(1);
    expect((await validate(tokens[0] as string)).status).toBe(503);
  });

  test('that rotates its keys and goes away: what was signed before goes on, ours too', async () => {
    provider.slow(0);
    api = await start();
    const [sub, ours] = [await theirUser(), await ourUser()];
    const before = await provider.token({ sub, sid: 'before' });
    expect((await timed(() => validate(before))).answer.body).toMatchObject({ active: true, issuer_kind: 'legacy' });
    await provider.rotate();
    provider.goAway();
    const [reads, after] = [provider.reads(), await provider.token({ sub, sid: 'after' })];
    const theirs = Promise.all([
      ...Array.from({ length: 10 }, () => timed(() => validate(after))),
      timed(() => exchange(before)),
    ]);
    const { all } = await oursWhile(ours, theirs);
    const answers = await theirs;
    // A key that is not known yet is no wrong one: the answer is to try again.
    expect(answers.slice(0, -1).map(({ answer }) => [answer.status, answer.body.code])).toEqual(
      Array.from({ length: 10 }, () => [503, 'legacy_keys_unavailable']),
    );
    expect(answers.at(-1)?.answer.status).toBe(200);
    expect(slowest([...answers, ...all])).toBeLessThan(BOUND_MS);
    // Unknown kids do not make us ask again and again.
    expect(provider.reads() - reads).toBeLessThanOrEqual(1);
  });
});
