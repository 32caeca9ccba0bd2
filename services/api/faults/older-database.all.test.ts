// About: services/core/revocations/
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { createPool } from '#services/platform/postgres/pool.ts';
import { eventually } from '#tools/testing/eventually.ts';
import {
  claimsIn,
  issueFor,
  type Pair,
  patiently,
  refresh,
  revoke,
  signIn,
  signUp,
  type TestUser,
} from '#tools/testing/flows/flows.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { type Received, send } from '#tools/testing/http-client.ts';
import { type OwnStores, startOwnStores } from '#tools/testing/processes/own-stores.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';
import { startTcpProxy, type TcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { copyOfPostgres, putBack, startStandby } from './older-database-harness.ts';

const REVOKED = 16;
const shared = { BETTER_AUTH_URL: 'http://auth.sallyport.test', WORKER_COPIES: '0' };

const POOL = {
  role: 'sallyport_api',
  connections: 1,
  applicationName: 'test',
  statementTimeoutMs: 10_000,
  lockTimeoutMs: 1_000,
  connectTimeoutMs: 10_000,
} as const;

const closing: (() => unknown)[] = [];
const closed = <T>(thing: T, close: (thing: T) => unknown): T => {
  closing.unshift(() => close(thing));
  return thing;
};
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

type Installation = {
  readonly stores: OwnStores;
  /** The one address at which the copies reach the database. */
  readonly address: TcpProxy;
  readonly copies: readonly Product[];
  readonly person: TestUser;
  readonly env: Readonly<Record<string, string>>;
  /** Where copies of the database are kept. */
  readonly folder: string;
};

/** Two copies of the API, each with its own high-water marks, over one Postgres. */
async function openInstallation(): Promise<Installation> {
  const folder = closed(mkdtempSync(join(tmpdir(), 'sallyport-older-')), (path) =>
    rmSync(path, { recursive: true, force: true }),
  );
  chmodSync(folder, 0o755);
  const stores = closed(await startOwnStores(), (each) => each.dispose());
  const address = closed(await startTcpProxy(stores.databaseUrl), (proxy) => proxy.cut());
  const env = { ...shared, BETTER_AUTH_SECRET: randomBytes(32).toString('base64url') };
  const given = { stores: { databaseUrl: address.url, redisUrl: stores.redisUrl }, env };
  const first = closed(await startProduct(given), (product) => product.dispose());
  const second = closed(await startProduct(given), (product) => product.dispose());
  return { stores, address, copies: [first, second], person: await signUp(first), env, folder };
}

const untilReady = ({ copies }: Installation): Promise<unknown> =>
  Promise.all(
    copies.map((copy) => eventually('readiness', async () => (await send(copy.api, 'GET', '/readyz')).status === 200)),
  );

/** Token families from before the backup: one stays valid, the others are revoked after it. */
async function signInMany({ copies: [copy], person }: Installation): Promise<Pair[]> {
  // A copy that was ready a moment ago may have no confirmed state since its PostgreSQL was copied.
  await eventually('a copy that issues', () => issueFor(copy!, person.id).catch(() => undefined));
  return Promise.all(Array.from({ length: REVOKED + 1 }, () => issueFor(copy!, person.id)));
}

/** Half of them through each copy; every revocation is acknowledged, and both copies refuse the token. */
async function revokeAtBoth({ copies }: Installation, pairs: readonly Pair[]): Promise<void> {
  const acknowledged = await Promise.all(
    pairs.map(({ access_token }, index) => revoke(copies[index % 2]!, { family_id: claimsIn(access_token).fid })),
  );
  expect(acknowledged.map(({ status }) => status)).toEqual(pairs.map(() => 200));
  for (const copy of copies)
    for (const { refresh_token } of pairs)
      expect((await patiently(() => refresh(copy, refresh_token))).body.code).toBe('session_ended');
}

/**
 * Sends every kind of request to both copies, repeatedly, from before the older database answers until each copy
 * reports that the database is rewound.
 * @returns the answers that were not errors
 */
async function asked({ copies, person }: Installation, live: Pair, revoked: readonly Pair[]): Promise<unknown[]> {
  const given: unknown[] = [];
  const askOne = async (copy: Product): Promise<boolean> => {
    const basic = copy.credentials.client;
    const { email, password } = person;
    const questions: Record<string, () => Promise<Received>> = {
      ...Object.fromEntries(
        [live, ...revoked].map(({ refresh_token }, at) => [`refresh ${at}`, () => refresh(copy, refresh_token)]),
      ),
      signIn: () => send(copy.api, 'POST', '/api/auth/signin', { json: { email, password } }),
      issue: () => send(copy.api, 'POST', '/v1/tokens', { basic, json: { user_id: person.id } }),
      clientToken: () => send(copy.api, 'POST', '/oauth2/token', { basic, form: { grant_type: 'client_credentials' } }),
      revoke: () =>
        send(copy.api, 'POST', '/v1/tokens/revoke', {
          basic,
          json: { family_id: claimsIn(live.access_token).fid, reason: 'test' },
        }),
    };
    const answers = await Promise.all(
      Object.entries(questions).map(async ([name, ask]) => ({ name, answer: await ask() })),
    );
    for (const { name, answer } of answers)
      if (answer.status < 400) given.push({ name, status: answer.status, body: answer.body });
    return answers.every(({ answer }) => answer.body?.code === 'state_rewound');
  };
  const isRewound = async (copy: Product): Promise<boolean> =>
    (await send(copy.api, 'GET', '/readyz')).body.components.revocations === 'rewound';
  await Promise.all(
    copies.map((copy) =>
      eventually('the copy to say it', async () => ((await askOne(copy)) ? isRewound(copy) : given.length > 0)),
    ),
  );
  return given;
}

async function acceptLoss({ copies, stores, address, person, env }: Installation): Promise<void> {
  const { code, out, err } = await runCli(['restore', '--accept-loss', '--yes'], {
    ...env,
    DATABASE_URL: address.url,
    REDIS_URL: stores.redisUrl,
    SALLYPORT_DATA_DIR: copies[0]!.dataDir,
  });
  expect([code, out + err]).toEqual([0, expect.stringContaining('incarnation')]);
  for (const copy of copies) expect((await signIn(copy, person)).id).toBe(person.id);
}

test('an older data directory restored under running copies: no sign-in, token, refresh or revocation succeeds', async () => {
  const all = await openInstallation();
  const backup = join(all.folder, 'backup');
  const [live, ...revoked] = (await signInMany(all)) as [Pair, ...Pair[]];
  await copyOfPostgres(all.stores, backup);
  await untilReady(all);
  await revokeAtBoth(all, revoked);

  await putBack(all.stores, backup);
  const answers = asked(all, live, revoked);
  await all.stores.revive('postgres');
  expect(await answers).toEqual([]);

  await acceptLoss(all);
  for (const { refresh_token } of [live, ...revoked])
    expect((await patiently(() => refresh(all.copies[1]!, refresh_token))).status).toBe(401);
});

test('a lagging standby promoted at the same address: no sign-in, token, refresh or revocation succeeds', async () => {
  const all = await openInstallation();
  const { stores, address } = all;
  const replica = join(all.folder, 'replica');
  await copyOfPostgres(stores, replica);
  const link = closed(await startTcpProxy(stores.databaseUrl), (proxy) => proxy.cut());
  const standby = closed(await startStandby(replica, link.url), (each) => each.stop());
  await untilReady(all);
  const [live, ...revoked] = (await signInMany(all)) as [Pair, ...Pair[]];
  await standby.caughtUp();
  // No pool of the product keeps a connection to it until it is the primary.
  const pool = closed(createPool({ url: standby.url, ...POOL }), (each) => each.end());
  await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: '25006' });
  expect(pool.totalCount).toBe(0);

  // From here on the standby receives nothing: what is acknowledged meanwhile exists only on the primary.
  await link.cut();
  await revokeAtBoth(all, revoked);
  await stores.end('postgres', 'SIGINT');
  const answers = asked(all, live, revoked);
  await standby.promote();
  address.lead(standby.url);
  expect(await answers).toEqual([]);
  expect((await pool.query('SELECT 1')).rowCount).toBe(1);
  expect((await pool.query('SELECT 1')).rowCount).toBe(1);

  await acceptLoss(all);
});
