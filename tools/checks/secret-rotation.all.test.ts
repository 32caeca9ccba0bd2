// docs/how-to/run-in-production.md, "Change a secret while copies run": two API copies, of which one has the secrets of before.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { ensureRedisBinary } from '#services/platform/local/redis-binary.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { onServer } from '#tools/testing/harness/stores.ts';
import { type RoleProcess, startContainerRole } from '#tools/testing/processes/container-role.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

// Processes start one after another: more than the usual time limit allows on a busy machine.
const suffix = randomBytes(5).toString('hex');
const database = `secrets_${suffix}`;
const logins = { old: `old_${suffix}`, new: `new_${suffix}` } as const;
type Age = keyof typeof logins;
const keys = { old: Buffer.alloc(32, 1).toString('base64'), new: Buffer.alloc(32, 2).toString('base64') } as const;

const folder = testFolder();
let redis: ChildProcess;
let operator: Redis;
let owner: string;
let redisPort: number;
let issuer: string;
let basic: string;
const started: RoleProcess[] = [];

const redisUrl = (age: Age): string => `redis://sallyport_api:${age}-word@127.0.0.1:${redisPort}/0`;
const databaseUrl = (age: Age): string => {
  const url = new URL(owner);
  Object.assign(url, { username: logins[age], password: `${age}-password` });
  return url.href;
};
const createLogin = (age: Age): Promise<unknown> =>
  queryRows(owner)(`CREATE ROLE ${logins[age]} LOGIN PASSWORD '${age}-password' IN ROLE sallyport_api`);

function start(role: 'api' | 'migrate', age: Age, env: Readonly<Record<string, string>> = {}): RoleProcess {
  const child = startContainerRole(role, {
    SALLYPORT_DATA_DIR: join(folder, 'data'),
    BETTER_AUTH_SECRET: Buffer.alloc(32, 7).toString('base64'),
    BETTER_AUTH_URL: issuer,
    KEY_ENCRYPTION_KEY: keys[age],
    ...(age === 'new' ? { KEY_ENCRYPTION_KEY_PREVIOUS: keys.old } : {}),
    RATE_LIMIT_PROFILE: 'load',
    HOST: '127.0.0.1',
    DATABASE_URL: role === 'migrate' ? owner : databaseUrl(age),
    REDIS_URL: redisUrl(age),
    ...env,
  });
  started.push(child);
  return child;
}

/** Starts a copy on this port, and waits until it is ready and has its Redis. */
async function startCopy(age: Age, port: number): Promise<RoleProcess> {
  const copy = start('api', age, { PORT: String(port), METRICS_PORT: '0' });
  await eventually(`the copy with the ${age} secrets to be ready`, async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    const body = (await answer?.json()) as { components?: Record<string, string> } | undefined;
    return (answer?.ok && body?.components?.redis === 'ok') || undefined;
  }).catch((err) => expect.fail(`${(err as Error).message}\n${copy.said()}`));
  return copy;
}

/** A copy that is short of time on a busy machine refuses nothing for ever: its 503 is asked again, as it says. */
async function ask(what: string, send: () => Promise<Response>): Promise<Record<string, unknown>> {
  for (let tries = 1; ; tries += 1) {
    const answer = await send();
    const text = await answer.text();
    if (answer.status === 200) return text === '' ? {} : JSON.parse(text);
    if (answer.status !== 503 || !/store_unavailable|request_stale/.test(text) || tries === 20)
      throw new Error(`${what} answered ${answer.status}: ${text}`);
    await sleep(200);
  }
}

/** One token, issued by one copy and validated by another. */
async function tokenLife(issuing: number, validating: number): Promise<void> {
  const { access_token: token } = await ask(`the token endpoint of ${issuing}`, () =>
    fetch(`http://127.0.0.1:${issuing}/oauth2/token`, {
      method: 'POST',
      headers: { authorization: basic },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    }),
  );
  const answer = await ask(`validate of ${validating}`, () =>
    fetch(`http://127.0.0.1:${validating}/v1/tokens/validate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    }),
  );
  if (answer.active !== true) throw new Error(`${validating} refuses a token of ${issuing}: ${JSON.stringify(answer)}`);
}

beforeAll(async () => {
  redisPort = await randomFreePort();
  const words = ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  redis = spawn(await ensureRedisBinary(() => {}), words, { stdio: 'ignore' });
  operator = new Redis(redisPort, '127.0.0.1');
  operator.on('error', () => {});
  await operator.call('ACL', 'SETUSER', 'sallyport_api', 'on', '>old-word', '~*', '&*', '+@all');
  await onServer((admin) => admin.query(`CREATE DATABASE ${database}`));
  const url = new URL(inject('templateUrl'));
  url.pathname = `/${database}`;
  owner = url.href;
});
afterAll(async () => {
  for (const { child } of started) child.kill('SIGKILL');
  operator?.disconnect();
  redis?.kill('SIGKILL');
  await onServer((admin) => admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`));
  for (const login of Object.values(logins)) await onServer((admin) => admin.query(`DROP ROLE IF EXISTS ${login}`));
});

test('the login, the password of Redis and the key-encryption key change while copies run, and no request fails', async () => {
  const [first, second] = [await randomFreePort(), await randomFreePort()];
  issuer = `http://127.0.0.1:${first}`;
  const migrated = start('migrate', 'old');
  expect(await migrated.exitCode(), migrated.said()).toBe(0);
  const { client } = JSON.parse(readFileSync(join(folder, 'data/dev-credentials.json'), 'utf8')) as {
    client: { client_id: string; client_secret: string };
  };
  basic = `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}`;
  await createLogin('old');
  const before = await startCopy('old', first);

  const load = { isOn: true, lives: 0, copies: [first] };
  const [errors, current]: [unknown[], Promise<unknown>[]] = [[], []];
  const callers = [0, 1].map(async (turn) => {
    for (let count = turn; load.isOn; count += 1) {
      const [issuing, validating] = [0, 1].map((each) => load.copies[(count + each) % load.copies.length] as number);
      current[turn] = tokenLife(issuing as number, validating as number).then(
        () => (load.lives += 1),
        (err: unknown) => errors.push(err),
      );
      await current[turn];
      await sleep(25);
    }
  });
  const more = async (count: number): Promise<void> => {
    const aim = load.lives + count;
    await eventually('tokens to be issued and validated', async () => load.lives >= aim || errors.length > 0);
  };
  await more(10);

  await createLogin('new');
  await operator.call('ACL', 'SETUSER', 'sallyport_api', '>new-word');
  await startCopy('new', second);
  load.copies = [first, second];
  await more(40);

  load.copies = [second];
  // Nobody sends to a copy that leaves any more, as behind a load balancer.
  await Promise.all(current);
  before.child.kill('SIGTERM');
  expect(await before.exitCode(), before.said()).toBe(0);
  await queryRows(owner)(`DROP ROLE ${logins.old}`);
  await operator.call('ACL', 'SETUSER', 'sallyport_api', 'resetpass', '>new-word');
  await more(20);
  load.isOn = false;
  await Promise.all(callers);

  expect(errors.map(String)).toEqual([]);
  await expect(queryRows(databaseUrl('old'))`SELECT 1`).rejects.toMatchObject({ code: '28P01' });
  const late = new Redis(redisUrl('old'), { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  const { promise: refusal, resolve } = Promise.withResolvers<Error>();
  late.on('error', resolve);
  late.connect().catch(() => {});
  expect((await refusal).message).toMatch(/^WRONGPASS/);
  late.disconnect();
  const opened = await queryRows(owner)<{ count: number }>`SELECT count(*)::int AS count FROM audit_outbox
    WHERE type = 'key_encryption.changed'`;
  expect(opened).toEqual([{ count: 1 }]);
});
