// About: services/platform/process/
// Real servers: a PostgreSQL with `ssl`, and a Redis that speaks nothing but TLS.
import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { makeAuthority } from '#tools/testing/fakes/certificate-maker.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { startContainerRole } from '#tools/testing/processes/container-role.ts';
import { type OwnStores, startOwnStores } from '#tools/testing/processes/own-stores.ts';
import { randomFreePort } from '../local/ports.ts';
import { ensureRedisBinary } from '../local/redis-binary.ts';
import { STORE_TLS_EXIT } from './exit-codes.ts';
import { probePostgres, probeRedis, refuseUnfitRedis } from './probe-store.ts';
import { troubleOf } from './store-trouble.ts';

const authority = makeAuthority('Stores');
const forThisHost = { dns: ['localhost'], ips: ['127.0.0.1'] };
const HOUR_MS = 3_600_000;
const certificates = {
  good: authority.issue(forThisHost),
  expired: authority.issue({ ...forThisHost, until: new Date(Date.now() - HOUR_MS) }),
  other: authority.issue({ dns: ['elsewhere.example.test'] }),
};
type Kind = keyof typeof certificates;

let stores: OwnStores;
let folder: string;
const started: ChildProcess[] = [];
const redisPorts = {} as Record<Kind, number>;

const pathOf = (name: string): string => join(folder, name);

/** PostgreSQL shows this certificate from now on. */
async function show(kind: Kind): Promise<void> {
  await queryRows(stores.databaseUrl)(`ALTER SYSTEM SET ssl_cert_file = '${pathOf(`${kind}.pem`)}'`);
  await queryRows(stores.databaseUrl)(`ALTER SYSTEM SET ssl_key_file = '${pathOf(`${kind}.key`)}'`);
  await queryRows(stores.databaseUrl)`ALTER SYSTEM SET ssl = on`;
  await queryRows(stores.databaseUrl)`SELECT pg_reload_conf()`;
  await eventually('the certificate to be shown', async () => {
    const [row] = await queryRows(stores.databaseUrl)<{ path: string }>`
      SELECT current_setting('ssl_cert_file') AS path`;
    return row?.path.endsWith(`${kind}.pem`) || undefined;
  });
}

const databaseUrl = (words = ''): string => {
  const url = new URL(stores.databaseUrl);
  url.search = `?sslmode=verify-full&sslrootcert=${encodeURIComponent(pathOf('authority.pem'))}${words}`;
  return url.href;
};
const redisUrl = (kind: Kind): string => `rediss://:secret-word@127.0.0.1:${redisPorts[kind]}/0`;

async function startRedis(kind: Kind): Promise<void> {
  const port = await randomFreePort();
  const tls = ['--tls-cert-file', pathOf(`${kind}.pem`), '--tls-key-file', pathOf(`${kind}.key`)];
  const only = ['--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no', '--bind', '127.0.0.1'];
  const words = [...only, ...tls, '--tls-ca-cert-file', pathOf('authority.pem'), '--save', '', '--dir', folder];
  started.push(
    spawn(await ensureRedisBinary(() => {}), [...words, '--requirepass', 'secret-word'], { stdio: 'ignore' }),
  );
  redisPorts[kind] = port;
}

const environment = (urls: { database: string; redis: string }): Record<string, string> => ({
  SALLYPORT_DATA_DIR: stores.dataDir,
  METRICS_PORT: '0',
  BETTER_AUTH_SECRET: Buffer.alloc(32, 1).toString('base64'),
  DATABASE_URL: urls.database,
  REDIS_URL: urls.redis,
  NODE_EXTRA_CA_CERTS: pathOf('authority.pem'),
});

/** What a process of the product says, and its exit code. */
async function run(role: string, urls: { database: string; redis: string }) {
  const process = startContainerRole(role, environment(urls));
  started.push(process.child);
  return { code: await process.exitCode(), said: process.said() };
}

/** The trouble of a store that a probe cannot use. */
const trouble = async (store: 'PostgreSQL' | 'Redis', url: string) =>
  (store === 'Redis' ? probeRedis : probePostgres)(url).then(
    () => expect.unreachable('it answered'),
    (err: unknown) => troubleOf(store, url, err),
  );

beforeAll(async () => {
  stores = await startOwnStores();
  folder = join(stores.dataDir, 'certificates');
  mkdirSync(folder, { mode: 0o755 });
  const [cluster] = await queryRows(stores.databaseUrl)<{ folder: string }>`
    SELECT current_setting('data_directory') AS folder`;
  const owner = statSync(cluster?.folder as string).uid;
  writeFileSync(pathOf('authority.pem'), authority.pem);
  for (const [kind, { pem, keyPem }] of Object.entries(certificates)) {
    writeFileSync(pathOf(`${kind}.pem`), pem);
    writeFileSync(pathOf(`${kind}.key`), keyPem, { mode: 0o600 });
    chownSync(pathOf(`${kind}.key`), owner, -1);
  }
  for (const kind of ['good', 'expired'] as const) await startRedis(kind);
  await show('good');
});
afterAll(async () => {
  for (const child of started) child.kill('SIGKILL');
  await stores?.dispose();
});

describe('a store whose TLS fails is named with the cause, and not waited for', () => {
  test('PostgreSQL with a certificate of an authority that is not known', async () => {
    const url = new URL(stores.databaseUrl);
    url.search = '?sslmode=verify-full';
    expect(await trouble('PostgreSQL', url.href)).toMatchObject({
      sentence: expect.stringMatching(
        /has a certificate of an authority that is not known here \((UNABLE_TO_|SELF_SIGNED)/,
      ),
      fix: 'name the file of that authority in NODE_EXTRA_CA_CERTS',
      mayPass: false,
      isTls: true,
    });
  });

  test('Redis likewise', async () => {
    expect(await trouble('Redis', redisUrl('good'))).toMatchObject({ isTls: true, mayPass: false });
    await expect(refuseUnfitRedis(redisUrl('good'))).rejects.toMatchObject({ code: 'store_tls' });
  });

  test('PostgreSQL with a certificate for another host', async () => {
    await show('other');
    expect(await trouble('PostgreSQL', databaseUrl())).toMatchObject({
      sentence: expect.stringContaining('has a certificate for another name (ERR_TLS_CERT_ALTNAME_INVALID)'),
      isTls: true,
    });
    await show('good');
  });

  test('servers without TLS', async () => {
    await queryRows(stores.databaseUrl)`ALTER SYSTEM SET ssl = off`;
    await queryRows(stores.databaseUrl)`SELECT pg_reload_conf()`;
    const seen = await eventually('PostgreSQL to turn TLS off', () =>
      trouble('PostgreSQL', databaseUrl()).catch(() => undefined),
    );
    expect(seen).toMatchObject({ sentence: expect.stringContaining('does not offer TLS'), isTls: true });
    await show('good');
    const plain = stores.redisUrl.replace('redis:', 'rediss:');
    expect(await trouble('Redis', plain)).toMatchObject({
      sentence: expect.stringContaining('does not offer TLS'),
      mayPass: false,
      isTls: true,
    });
  });

  test('a Redis that is away is no trouble with TLS, and none without TLS is asked', async () => {
    await refuseUnfitRedis(`rediss://127.0.0.1:${await randomFreePort()}`);
    await refuseUnfitRedis('redis://127.0.0.1:1');
    await refuseUnfitRedis(undefined);
  });
});

describe('processes', () => {
  test('a migration runs over TLS to both; every connection of it is encrypted', async () => {
    await probePostgres(databaseUrl());
    const { code, said } = await run('migrate', { database: databaseUrl(), redis: redisUrl('good') });
    expect(said).toContain('the database is ready');
    expect(code).toBe(0);
  });

  test('every connection of a running worker is encrypted, as the stores see it', async () => {
    const worker = startContainerRole('worker', environment({ database: databaseUrl(), redis: redisUrl('good') }));
    started.push(worker.child);
    const admin = new Redis(redisUrl('good'), { tls: { ca: authority.pem } });
    admin.on('error', () => {});
    await eventually('the worker to use Redis', async () => {
      const clients = ((await admin.client('LIST').catch(() => '')) as string).trim().split('\n');
      return clients.length > 2 || undefined;
    });
    expect(await admin.config('GET', 'port')).toEqual(['port', '0']);
    admin.disconnect();
    const connections = await eventually('the worker to use PostgreSQL', async () => {
      const rows = await queryRows(stores.databaseUrl)<{ name: string; ssl: boolean; version: string }>`
        SELECT application_name AS name, ssl, version FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
         WHERE application_name LIKE 'sallyport-%'`;
      return rows.length > 0 && rows;
    });
    worker.child.kill('SIGKILL');
    for (const { name, ssl, version } of connections)
      expect({ name, ssl, version }).toEqual({ name: 'sallyport-worker', ssl: true, version: 'TLSv1.3' });
  });

  test('a certificate of PostgreSQL that expired ends a process with one line, its fix, and an exit code of its own', async () => {
    await show('expired');
    const { code, said } = await run('migrate', { database: databaseUrl(), redis: redisUrl('good') });
    await show('good');
    expect(said.trim().split('\n')).toEqual([
      expect.stringMatching(
        /^sallyport-migrate: PostgreSQL at .* has a certificate that has expired \(CERT_HAS_EXPIRED\)$/,
      ),
      '  fix: renew it there',
    ]);
    expect(code).toBe(STORE_TLS_EXIT);
  });

  test('so does one of Redis, without which a worker would start', async () => {
    const { code, said } = await run('worker', { database: databaseUrl(), redis: redisUrl('expired') });
    expect(said).toMatch(/^sallyport-worker: Redis at .* has a certificate that has expired/m);
    expect(said).not.toContain('secret-word');
    expect(code).toBe(STORE_TLS_EXIT);
  });
});
