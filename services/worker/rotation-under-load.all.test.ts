// About: services/core/keys/advance-key-ring.ts services/core/keys/key-ring.ts
import { setTimeout as sleep } from 'node:timers/promises';
import { createRemoteJWKSet, decodeProtectedHeader, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { expect, test } from 'vitest';
import { advanceKeyRingJob } from '#jobs/contracts/keys.ts';
import { createVerifier } from '#sdks/typescript/src/index.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { claimsIn, clientToken, newClient, refresh, signIn, verdictOn } from '#tools/testing/flows/flows.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { startProduct, startWorkerBeside } from '#tools/testing/harness/product.ts';
import { readyProducer } from '#tools/testing/harness/redis.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import type { ClientCredentials } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const ROTATION_SECONDS = 3;
const KEY_SET_SECONDS = 2;
/** The least number of each request under load. */
const CHECKS = 200;

const database = opened(createTestDatabase);
const redisUrl = testRedisUrl();
const env = {
  JWT_ALGORITHM: 'ES256',
  JWT_ADDITIONAL_ALGORITHMS: 'RS256',
  KEY_ROTATION_DAYS: (ROTATION_SECONDS / 86_400).toFixed(9),
  KEY_PREPUBLISH_SECONDS: String(KEY_SET_SECONDS),
  JWKS_MAX_AGE_SECONDS: String(KEY_SET_SECONDS),
  KEY_RING_BOUND_SECONDS: '5',
  JWT_ACCESS_EXPIRY: '12',
  JWT_REFRESH_EXPIRY: '600',
  JWT_REFRESH_ABSOLUTE_EXPIRY: '600',
  REVOCATION_STALENESS_MS: '30000',
};
const product = opened(() => startProduct({ stores: { databaseUrl: database.url, redisUrl }, env }));
opened(() => startWorkerBeside(product, env));
const producer = opened(() => readyProducer(redisUrl));

type KeyFacts = { kid: string; purpose: string; signs: number; ended: boolean; left: boolean; destroyed: boolean };
/** Token keys by the time they sign from, with their state by the database's clock. */
const keyFacts = (): Promise<KeyFacts[]> =>
  queryRows(database.url)`SELECT id AS kid, purpose, extract(epoch FROM lower(signs))::float8 AS signs,
    upper(signs) < now() - interval '15 seconds' AS ended,
      coalesce("expiresAt" < now() - interval '3 seconds', false) AS left, "privateKey" = '' AS destroyed
    FROM jwks WHERE purpose IN ('access', 'access:RS256') ORDER BY purpose, signs`;

const PURPOSES = ['access', 'access:RS256'];

/** A client that is registered for the additional algorithm. */
async function clientOfRs256(): Promise<ClientCredentials> {
  const client = await newClient(product);
  await queryRows(database.url)`UPDATE oauth_clients SET access_token_signed_response_alg = 'RS256'
    WHERE "clientId" = ${client.client_id}`;
  const tokenNow = () => clientToken({ api: product.api, credentials: { client } });
  await eventually(
    'the client to get tokens of its algorithm',
    async () => decodeProtectedHeader(await tokenNow()).alg === 'RS256',
  );
  return client;
}

const lives = (token: string): boolean => claimsIn(token).exp > Date.now() / 1_000;

test('keys of two algorithms that each change every few seconds under load cause no valid token to be refused, here or at verifiers that cache the key set as long as allowed', async () => {
  const url = new URL('/.well-known/jwks.json', product.api);
  // Verifiers that never refetch for an unknown kid: the cached key set must suffice until it expires.
  const verifiers: JWTVerifyGetKey[] = Array.from({ length: 2 }, () =>
    createRemoteJWKSet(url, {
      cacheMaxAge: KEY_SET_SECONDS * 1_000,
      cooldownDuration: Number.MAX_SAFE_INTEGER,
      timeoutDuration: 30_000,
    }),
  );
  const tokens: string[] = [];
  const kids = { ES256: new Set<string>(), RS256: new Set<string>() };
  const refused: string[] = [];
  const ours = createVerifier({ issuer: product.api, feed: 'off', jwksCooldown: 3_600 });
  const checks = { here: 0, elsewhere: 0, ours: 0 };
  let refreshes = 0;
  let isOver = false;
  const registered = { api: product.api, credentials: { client: await clientOfRs256() } };
  const repeat = (work: () => Promise<unknown>): Promise<void> =>
    (async () => {
      for (; !isOver; await sleep(20)) await work();
    })();
  const keep = (token: string): void => {
    const { alg, kid = '' } = decodeProtectedHeader(token);
    kids[alg as keyof typeof kids].add(kid);
    tokens.push(token);
    if (tokens.length > 2_000) tokens.splice(0, 1_000);
  };
  const anyToken = (): string | undefined => {
    const live = tokens.filter(lives);
    return live[Math.floor(Math.random() * live.length)];
  };
  const here = async (): Promise<void> => {
    const token = anyToken();
    if (token === undefined) return;
    const verdict = await verdictOn(product, token);
    checks.here += 1;
    // On a busy machine a copy may be unable to decide, and a token may expire in transit; neither concerns the keys.
    const cannotTell = ['revocation_state_stale', 'signing_unavailable', 'key_ring_behind'];
    if (lives(token) && ![...cannotTell, 'active'].includes(verdict)) refused.push(`here: ${verdict}`);
  };
  const elsewhere = async (keySet: JWTVerifyGetKey): Promise<void> => {
    const token = anyToken();
    if (token === undefined) return;
    checks.elsewhere += 1;
    await jwtVerify(token, keySet, { issuer: product.api, typ: 'at+jwt', clockTolerance: 5 }).catch((err: Error) => {
      if (lives(token)) refused.push(`elsewhere: ${err.message}`);
    });
  };
  const byPackage = async (): Promise<void> => {
    const token = anyToken();
    if (token === undefined) return;
    checks.ours += 1;
    const { code } = await ours.verify(token);
    if (lives(token) && !['active', 'key_ring_behind'].includes(code)) refused.push(`package: ${code}`);
  };
  let { refresh_token: held } = (await signIn(product, product.credentials.user)).tokens;
  const login = async (): Promise<void> => {
    const answer = await refresh(product, held);
    if (answer.status === 503) return;
    if (answer.status !== 200) refused.push(`refresh: ${answer.status} ${answer.text}`);
    else {
      held = answer.body.refresh_token;
      keep(answer.body.access_token);
      refreshes += 1;
    }
  };
  const loops = [
    repeat(() => producer.enqueue(advanceKeyRingJob, {}, { dedupe: 'test' }).then(() => sleep(500))),
    repeat(async () => keep(await clientToken(product))),
    repeat(async () => keep(await clientToken(registered))),
    repeat(login),
    repeat(here),
    repeat(here),
    ...verifiers.map((keySet) => repeat(() => elsewhere(keySet))),
    repeat(byPackage),
  ];
  try {
    // Until five keys have signed, one of them has passed through every state, and enough requests were made.
    const isDone = (facts: readonly KeyFacts[]): boolean =>
      Math.min(kids.ES256.size, kids.RS256.size) >= 5 &&
      Math.min(checks.here, checks.elsewhere, checks.ours, refreshes) > CHECKS &&
      PURPOSES.every((of) => facts.some(({ purpose, left, destroyed }) => purpose === of && left && destroyed));
    while (!isDone(await keyFacts())) await sleep(250);
  } finally {
    isOver = true;
    await Promise.all(loops);
  }
  expect(refused).toEqual([]);
  const facts = await keyFacts();
  for (const { ended, destroyed } of facts) if (ended) expect(destroyed).toBe(true);
  // No storm: key rotation follows the settings, however often and by however many callers it is requested.
  for (const of of PURPOSES) {
    const starts = facts.filter(({ purpose }) => purpose === of).map(({ signs }) => signs);
    for (const [index, signs] of starts.entries())
      if (index > 1) expect(signs - starts[index - 1]!).toBeGreaterThanOrEqual(ROTATION_SECONDS);
  }
  const [versions] = await queryRows(database.url)<{ n: number }>`SELECT count(*)::int AS n FROM server_secrets
    WHERE purpose = 'refresh' AND activates_at < now()`;
  expect(versions!.n).toBeGreaterThanOrEqual(2);
});
