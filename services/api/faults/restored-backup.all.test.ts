// About: services/wings/recovery/backup/
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { type S3Server, startS3Server } from '#tools/testing/fakes/s3-server.ts';
import {
  claimsIn,
  clientToken,
  issueFor,
  type Pair,
  refresh,
  revoke,
  signIn,
  signUp,
  type TestUser,
  untilVerdict,
  verdictOn,
} from '#tools/testing/flows/flows.ts';
import { createEmptyDatabase, queryRows } from '#tools/testing/harness/ports.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { expectErrorForm, expectProblem, type Received, send } from '#tools/testing/http-client.ts';
import { type OwnStores, startOwnStores } from '#tools/testing/processes/own-stores.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';

let stores: OwnStores;
let database: Awaited<ReturnType<typeof createEmptyDatabase>>;
/** Secrets and credentials: what a database backup does not contain. */
let product: Product;
/** High-water marks of the whole installation, kept outside its machines. */
let bucket: S3Server;

/** Unchanged through restarts, which take other ports: issuer and the API's own origin. */
const PUBLIC_URL = 'http://auth.sallyport.test';
const start = (dataDir?: string): Promise<Product> =>
  startProduct({
    stores: { databaseUrl: database.url, redisUrl: stores.redisUrl },
    env: { BETTER_AUTH_URL: PUBLIC_URL, ...bucket.markEnv },
    ...(dataDir ? { dataDir } : {}),
  });

beforeAll(async () => {
  [stores, bucket] = await Promise.all([startOwnStores(), startS3Server()]);
  database = await createEmptyDatabase(stores.databaseUrl);
  product = await start();
});
afterAll(async () => {
  await product?.dispose();
  await Promise.all([stores?.dispose(), bucket?.close()]);
});

const onServer = (statement: string): Promise<unknown> => queryRows(stores.databaseUrl)(statement);
const nameOf = (url: string): string => new URL(url).pathname.slice(1);

/** A CLI process beside the running product. */
async function sallyport(args: string[]): Promise<{ code: number | null; out: string }> {
  const { code, out, err } = await runCli(args, {
    DATABASE_URL: database.url,
    REDIS_URL: stores.redisUrl,
    SALLYPORT_DATA_DIR: product.dataDir,
    BETTER_AUTH_URL: PUBLIC_URL,
    ...bucket.markEnv,
  });
  return { code, out: out + err };
}

type Everything = { pair: Pair; session: TestUser };

const waiting = async (): Promise<number> =>
  Number((await queryRows(database.url)`SELECT count(*) AS n FROM audit_outbox WHERE seq IS NULL`)[0]?.n);
/**
 * What a worker reports of sealing: '1' if it seals nothing because the published log is longer, else '0'. Undefined in a
 * scrape that a busy worker has missed.
 */
const sealingReport = async (): Promise<string | undefined> =>
  /sallyport_audit_sealing_stopped\{[^}]*reason="database_behind"\} ([01])/.exec(
    await (await fetch(product.metrics)).text(),
  )?.[1];
const isSealingStopped = async (): Promise<boolean> => (await sealingReport()) === '1';
/** A member of the high-water marks in the object store, by the name of their object. */
const markOutside = (object: string): Record<string, unknown> => {
  const [, text = '{}'] = [...bucket.objects].find(([name]) => name.endsWith(`/${object}`)) ?? [];
  return JSON.parse(text);
};

/** Every request that issues or validates something. */
const questions = ({ pair, session }: Everything): Record<string, () => Promise<Received>> => {
  const { api, credentials } = product;
  const basic = credentials.client;
  const own = { cookie: session.cookie, headers: { origin: PUBLIC_URL } };
  return {
    signUp: () =>
      send(api, 'POST', '/api/auth/signup', {
        json: { email: 'late@example.test', password: 'long enough a password' },
      }),
    signIn: () => send(api, 'POST', '/api/auth/signin', { json: credentials.user }),
    session: () => send(api, 'GET', '/api/auth/session', { cookie: session.cookie }),
    issue: () => send(api, 'POST', '/v1/tokens', { basic, json: { user_id: session.id } }),
    issueForSession: () => send(api, 'POST', '/v1/tokens', own),
    clientCredentials: () => send(api, 'POST', '/oauth2/token', { basic, form: { grant_type: 'client_credentials' } }),
    refresh: () => refresh(product, pair.refresh_token),
    refreshOAuth: () =>
      send(api, 'POST', '/oauth2/token', {
        basic,
        form: { grant_type: 'refresh_token', refresh_token: pair.refresh_token },
      }),
    validate: () => send(api, 'POST', '/v1/tokens/validate', { json: { token: pair.access_token } }),
    validateBatch: () => send(api, 'POST', '/v1/tokens/validate-batch', { json: { tokens: [pair.access_token] } }),
    validateIds: () =>
      send(api, 'POST', '/v1/tokens/validate-batch', { basic, json: { token_ids: [claimsIn(pair.access_token).jti] } }),
    introspect: () => send(api, 'POST', '/oauth2/introspect', { basic, form: { token: pair.access_token } }),
    introspectRefresh: () => send(api, 'POST', '/oauth2/introspect', { basic, form: { token: pair.refresh_token } }),
    bearer: () => send(api, 'GET', '/v1/keys', { bearer: pair.access_token }),
    feed: () => send(api, 'GET', '/v1/revocations', { basic }),
  };
};

/** Asks until the copy decides: on a busy machine it may first run out of time for PostgreSQL. */
const statusDecided = (ask: () => Promise<Received>): Promise<number> =>
  eventually('a decision', async () => {
    const { status, body } = await ask();
    return status === 503 && body.code !== 'state_rewound' ? false : status;
  });

async function expectNothingIssuedOrValidated(everything: Everything): Promise<void> {
  const answers = await Promise.all(
    Object.entries(questions(everything)).map(async ([name, ask]) => [name, await ask()] as const),
  );
  const codes = answers.map(([name, { status, body }]) => [name, status, body?.code]);
  expect(codes).toEqual(answers.map(([name]) => [name, 503, 'state_rewound']));
  for (const [, answer] of answers) expectErrorForm(answer);
  const ready = await send(product.api, 'GET', '/readyz');
  expect([ready.status, ready.body.components.revocations]).toEqual([503, 'rewound']);
}

test('after an older backup is restored, nothing is issued or validated until an operator confirms; then old tokens are refused and new sign-ins work', async () => {
  // Before the backup: one token family of each kind that stays in use.
  const person = await signUp(product);
  const before = await issueFor(product, person.id);
  const stolen = await issueFor(product, person.id);
  await product.stop();
  await onServer(`CREATE DATABASE backup TEMPLATE ${nameOf(database.url)}`);
  product = await continueIn(product);

  // After it: the stolen token is revoked, refresh tokens rotate, sessions begin and end.
  await revoke(product, { token: stolen.access_token });
  await untilVerdict(product, stolen.access_token, 'revoked');
  await revoke(product, { family_id: claimsIn(stolen.access_token).fid });
  const rotated = (await refresh(product, before.refresh_token)).body as Pair;
  const session = await signIn(product, person);
  const after = await issueFor(product, person.id);
  const machine = await clientToken(product);
  const { body: keySet } = await send(product.api, 'GET', '/.well-known/jwks.json');
  const feed = claimsIn(
    (await send(product.api, 'GET', '/v1/revocations', { basic: product.credentials.client })).text,
  );
  await eventually('the marks to name the revocations', () => {
    const marks = markOutside('marks.json');
    return marks.incarnation === feed.incarnation && Number(marks.revocation_epoch) >= feed.epoch;
  });
  await eventually('the log outside to grow past the backup', async () => {
    const [log] = await queryRows(database.url)`SELECT size FROM audit_log WHERE closed_at IS NULL`;
    return (await waiting()) === 0 && markOutside('audit-mark.json').size === Number(log?.size);
  });

  expect(existsSync(join(product.dataDir, 'marks.json'))).toBe(false);

  // The backup replaces the database under the running product.
  const name = nameOf(database.url);
  await onServer(`DROP DATABASE ${name} WITH (FORCE)`);
  await onServer(`CREATE DATABASE ${name} TEMPLATE backup`);
  await eventually(
    'the rewind to be seen',
    async () => (await send(product.api, 'GET', '/readyz')).body.components.revocations === 'rewound',
  );
  // Nothing from this database is sealed beyond it, so the published log stays as it is.
  const lost = markOutside('audit-mark.json');
  const old: Everything[] = [
    { pair: before, session: person },
    { pair: after, session },
    { pair: stolen, session },
  ];
  for (const everything of old) await expectNothingIssuedOrValidated(everything);
  expect(product.output()).toContain('sallyport restore --accept-loss');

  // A restart does not clear the refusal.
  await product.stop();
  product = await continueIn(product);
  await expectNothingIssuedOrValidated(old[1]!);

  const plan = await sallyport(['restore']);
  expect([plan.code, plan.out]).toEqual([1, expect.stringContaining('older than its high-water marks')]);
  const unsure = await sallyport(['restore', '--accept-loss']);
  expect(unsure.code).toBe(4);
  await expectNothingIssuedOrValidated(old[1]!);
  const done = await sallyport(['restore', '--accept-loss', '--yes']);
  expect([done.code, done.out]).toEqual([0, expect.stringContaining('incarnation')]);
  expect(done.out).toContain('audit continue');
  await eventually('readiness', async () => (await send(product.api, 'GET', '/readyz')).status === 200);

  for (const token of [before, stolen, rotated, after, person.tokens, session.tokens]) {
    await untilVerdict(product, token.access_token, 'key_compromised');
    expectProblem(await refresh(product, token.refresh_token), 401, 'refresh_token_invalid');
  }
  await untilVerdict(product, machine, 'key_compromised');
  for (const own of [person, session]) {
    const { session: ask, issueForSession } = questions({ pair: before, session: own });
    expect([await statusDecided(ask!), await statusDecided(issueForSession!)]).toEqual([401, 401]);
  }
  const { body: newKeySet } = await send(product.api, 'GET', '/.well-known/jwks.json');
  const kids = (set: { keys: { kid: string }[] }): string[] => set.keys.map(({ kid }) => kid);
  for (const kid of kids(keySet)) expect(kids(newKeySet)).not.toContain(kid);

  const again = await signIn(product, person);
  expect(again.id).toBe(person.id);
  expect(await verdictOn(product, again.tokens.access_token)).toBe('active');
  expect((await refresh(product, again.tokens.refresh_token)).status).toBe(200);
  expect((await send(product.api, 'GET', '/api/auth/session', { cookie: again.cookie })).status).toBe(200);
  expect(await verdictOn(product, await clientToken(product))).toBe('active');
  const newFeed = claimsIn(
    (
      await send(product.api, 'GET', `/v1/revocations?since=${feed.epoch}&incarnation=${feed.incarnation}`, {
        basic: product.credentials.client,
      })
    ).text,
  );
  expect(newFeed.incarnation).not.toBe(feed.incarnation);
  expect(newFeed.since).toBe(0);
  // The published log is longer than the restored one: sealing stops, sign-ins work, and their events wait.
  await eventually('sealing to be stopped', isSealingStopped);
  await signIn(product, person);
  expect(await waiting()).toBeGreaterThan(0);
  const reason = ['--reason', 'the backup of the test'];
  expect((await sallyport(['audit', 'continue', ...reason])).code).toBe(4);
  expect(await eventually('a report of sealing', sealingReport)).toBe('1');
  const continued = await sallyport(['audit', 'continue', ...reason, '--yes']);
  expect([continued.code, continued.out]).toEqual([0, expect.stringContaining('continued')]);
  await eventually('nothing to wait', async () => (await waiting()) === 0 && !(await isSealingStopped()));
  const verified = await sallyport(['audit', 'verify']);
  expect([verified.code, verified.out]).toEqual([0, expect.any(String)]);
  const [first] = await queryRows(database.url)<{ leaf: Buffer }>`SELECT leaf FROM audit_events
    WHERE type = 'audit.log_continued'`;
  // The first leaf of the new log names the head that was lost.
  expect(first?.leaf.toString()).toContain(String(lost.root));

  // A second run has nothing left to accept.
  expect((await sallyport(['restore', '--accept-loss', '--yes'])).code).not.toBe(0);
  expect(await verdictOn(product, again.tokens.access_token)).toBe('active');
});

/** The next start in the same data directory; the first product keeps the folder until the end. */
async function continueIn(stopped: Product): Promise<Product> {
  const next = await start(stopped.dataDir);
  return {
    ...next,
    dispose: async () => {
      await next.dispose();
      await stopped.dispose();
    },
  };
}
