import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { App } from '#services/api/app.ts';
import { type Composed, compose } from '#services/api/compose.ts';
import { createServer } from '#services/api/server.ts';
import { createClient } from '#services/core/access/create-client.ts';
import { ensureNeededKeys } from '#services/core/access/ensure-needed-keys.ts';
import { mountFace } from '#services/mcp/mount.ts';
import { keyEncryptionKeyOf, loadConfig } from '#services/platform/config/load.ts';
import { isMcpInApi } from '#services/platform/config/mcp.ts';
import { systemRandom } from '#services/platform/crypto/system.ts';
import { createVault } from '#services/platform/crypto/vault.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { createSql, createTransact } from '#services/platform/postgres/pool.ts';
import type { ClientCredentials, Json } from '../http-client.ts';
import { leftOut } from '../processes/child-env.ts';
import { oneHasher, patient } from './busy-machine.ts';
import { createPatientPool, createTestPorts, quietLog, type RawSql, type TestPorts, testCaller } from './ports.ts';
import { createTestDatabase, testRedisUrl } from './stores.ts';

/** One installation: copies of the API on a separate database. */
export type ApiHarness = {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly authSecret: string;
  /** One more copy. @param changes other stores than the harness's, or settings */
  startCopy(changes?: Partial<ApiCopyOptions>): Promise<ApiCopy>;
  /** A confidential client with these client-credentials scopes; every copy knows it when this resolves. */
  newClient(credentialScopes: readonly string[]): Promise<ClientCredentials>;
  /** The ports of the database owner, whose rights no copy has. */
  readonly owner: TestPorts;
  /** Rows of one statement, by the first copy's own connections. */
  readonly rows: RawSql<Json>;
  /** Stops every copy, then drops the database. */
  close(): Promise<void>;
};

/** Opens a harness without copies: one per test file. */
export async function openApiHarness(): Promise<ApiHarness> {
  const database = await createTestDatabase();
  const shared = { databaseUrl: database.url, redisUrl: testRedisUrl(), authSecret: newAuthSecret() };
  const owner = createTestPorts(database.url);
  const copies: ApiCopy[] = [];
  const first = (): ApiCopy => {
    if (copies[0] === undefined) throw new Error('no copy was started');
    return copies[0];
  };
  return {
    ...shared,
    startCopy: async (changes = {}) => {
      const copy = await startApiCopy({ ...shared, ...changes });
      copies.push(copy);
      return copy;
    },
    newClient: async (credentialScopes) => {
      const { clientId, clientSecret } = await newClient(first(), credentialScopes);
      await Promise.all(copies.slice(1).map(({ ports }) => ports.access.load()));
      return { client_id: clientId, client_secret: clientSecret };
    },
    owner,
    rows: owner.raw,
    close: async () => {
      await Promise.all([...copies.map((copy) => copy.stop()), owner.end()]);
      await database.drop();
    },
  };
}

export const API_URL = 'http://api.sallyport.test';

export type ApiCopyOptions = {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** Shared by copies of one installation. */
  readonly authSecret: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether its hashing process runs before it listens; else it starts with the first password. True unless given. */
  readonly hashes?: boolean;
  /** Folder of the high-water marks, which copies and restarts share; the copy's own unless given. */
  readonly marksDir?: string;
  /** Its issuer and origin; `API_URL` unless given. */
  readonly publicUrl?: string;
  /** Free unless given. */
  readonly port?: number;
};

/** One whole API copy on real stores, listening on a free port. */
export type ApiCopy = Composed & {
  readonly url: string;
  /** Its route table. */
  readonly bound: readonly Endpoint[];
  /** What Fastify serves. */
  readonly routes: App['routes'];
  /** Its ports with the database rights of a worker: for one run of a job. */
  readonly workerPorts: Composed['ports'];
  stop(): Promise<void>;
};

export const newAuthSecret = (): string => randomBytes(32).toString('base64url');

export async function startApiCopy(options: ApiCopyOptions): Promise<ApiCopy> {
  const { databaseUrl, redisUrl, authSecret, publicUrl = API_URL } = options;
  const own = {
    BETTER_AUTH_SECRET: authSecret,
    BETTER_AUTH_URL: publicUrl,
    RATE_LIMIT_PROFILE: 'load',
    ...patient,
    ...oneHasher,
    ...leftOut,
  };
  const config = loadConfig({ ...own, ...options.env });
  await prepareKeys(options, config);
  const marksDir = options.marksDir ?? (await mkdtemp(join(tmpdir(), 'sallyport-api-copy-')));
  const copy = await compose({
    config,
    databaseUrl,
    redisUrl,
    authSecret,
    publicUrl,
    marks: createFileMarks(marksDir),
    log: quietLog,
  }).catch(async (err: unknown) => {
    if (options.marksDir === undefined) await rm(marksDir, { recursive: true, force: true });
    throw err;
  });
  const app = createServer(copy, config, { publicUrl, version: 'test' });
  const mcp = isMcpInApi(config)
    ? mountFace(app, copy, { config, urls: { databaseUrl, pooledUrl: undefined }, publicUrl, version: 'test' })
    : undefined;
  copy.poll.start();
  await Promise.all([copy.poll.ready(), options.hashes === false || copy.ports.hasher.warm()]);
  await app.fastify.listen({ host: '127.0.0.1', port: options.port ?? 0 });
  const { port } = app.fastify.server.address() as AddressInfo;
  const workerPool = {
    url: databaseUrl,
    connections: 4,
    applicationName: 'test-worker',
    role: 'sallyport_worker',
  } as const;
  const worker = createTestPorts(databaseUrl, { pool: createPatientPool(workerPool) });
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await app.fastify.close();
    await mcp?.close();
    await Promise.all([copy.close(), worker.end()]);
    if (options.marksDir === undefined) await rm(marksDir, { recursive: true, force: true });
  };
  return {
    ...copy,
    workerPorts: { ...copy.ports, sql: worker.sql, transact: worker.transact },
    url: `http://127.0.0.1:${port}`,
    bound: app.bound,
    routes: app.routes,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** Keys, as a start makes them. */
async function prepareKeys(
  options: Pick<ApiCopyOptions, 'databaseUrl' | 'authSecret'>,
  config: ReturnType<typeof loadConfig>,
): Promise<void> {
  const pool = createPatientPool({ url: options.databaseUrl, connections: 2, applicationName: 'test-prepare' });
  const vault = createVault(keyEncryptionKeyOf(config, options.authSecret));
  const ports = { sql: createSql(pool), transact: createTransact(pool, () => {}), vault, random: systemRandom };
  const settings = { ...config, authSecret: options.authSecret, audience: config.tokens.audience ?? API_URL };
  await ensureNeededKeys(ports, settings, testCaller);
  await pool.end();
}

export type TestClient = { readonly clientId: string; readonly clientSecret: string; readonly basic: string };

/** A confidential client with these client-credentials scopes; known to the copy when this resolves. */
export async function newClient(
  copy: ApiCopy,
  credentialScopes: readonly string[],
  scopes: readonly string[] = ['openid', 'profile', 'email', 'offline_access'],
  more: Partial<Parameters<typeof createClient>[1]> = {},
): Promise<TestClient> {
  const granted = { scopes, credential_scopes: credentialScopes, grant_types: ['client_credentials', 'refresh_token'] };
  const made = await createClient(copy.ports, { name: 'test', audiences: ['*'], ...granted, ...more }, testCaller);
  await copy.ports.access.load();
  const clientSecret = made.clientSecret as string;
  const basic = `Basic ${Buffer.from(`${made.clientId}:${clientSecret}`).toString('base64')}`;
  return { clientId: made.clientId, clientSecret, basic };
}
