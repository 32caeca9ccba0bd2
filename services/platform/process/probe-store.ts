import { connect } from 'node:net';
import type { DatabaseUrls } from '../config/stores.ts';
import { StartError } from '../local/errors.ts';
import { assertOwnSessions, assertSameDatabase } from '../postgres/own-session.ts';
import { CLUSTER_NODE, troubleOf } from './store-trouble.ts';
import { type StoreWait, waitForStore } from './store-wait.ts';

export const PROBE_TIMEOUT_SECONDS = 3;
const timeoutMs = PROBE_TIMEOUT_SECONDS * 1_000;

/** Probes a PostgreSQL. Rejects with the error of the server or the network, or `PoolerError`. */
export const probePostgres = (url: string): Promise<void> => assertOwnSessions(url, 'sallyport-probe', timeoutMs);

/** Probes a pooler. Rejects with its error or that of the network, or with `OtherDatabaseError`. */
export const probePooler = (urls: { readonly pooledUrl: string; readonly databaseUrl: string }): Promise<void> =>
  assertSameDatabase(urls.pooledUrl, urls.databaseUrl, 'sallyport-probe', timeoutMs);

const isAbout = (err: unknown, ...codes: readonly string[]): boolean =>
  codes.includes(String((err as { code?: unknown }).code));

/**
 * Waits until PostgreSQL answers, by itself and through the pooler if there is one.
 * @throws StartError `store_refused` also where DATABASE_DIRECT_URL is missing, or leads elsewhere than DATABASE_URL
 */
export async function reachPostgres(
  { databaseUrl, pooledUrl }: DatabaseUrls,
  wait: Omit<StoreWait, 'store' | 'url'>,
): Promise<void> {
  const how = { ...wait, store: 'PostgreSQL', timeoutSeconds: PROBE_TIMEOUT_SECONDS } as const;
  const variable = wait.variable ?? directVariableOf(pooledUrl);
  await waitForStore(() => probePostgres(databaseUrl), { ...how, url: databaseUrl, variable });
  if (pooledUrl !== undefined)
    await waitForStore(() => probePooler({ pooledUrl, databaseUrl }), {
      ...how,
      url: pooledUrl,
      variable: 'DATABASE_URL',
    });
}

/** The setting that holds the URL of PostgreSQL itself. */
export const directVariableOf = (pooledUrl: string | undefined): 'DATABASE_URL' | 'DATABASE_DIRECT_URL' =>
  pooledUrl === undefined ? 'DATABASE_URL' : 'DATABASE_DIRECT_URL';

/**
 * A process whose sessions a pooler mixes would start, and lose its role and its limits later. An unreachable PostgreSQL
 * is no matter here: the start waits for it, or works without it.
 * @throws StartError `store_refused`
 */
export async function refuseMixedSessions({ databaseUrl, pooledUrl }: DatabaseUrls): Promise<void> {
  const say = (): void => {};
  await reachPostgres({ databaseUrl, pooledUrl }, { waitSeconds: 0, say }).catch((err: StartError) => {
    if (err.code === 'store_refused' && isAbout(err.cause, 'POOLER', 'OTHER_DATABASE', '08P01')) throw err;
  });
}

/** A Redis without TLS waits for the end of what it takes for a command, and so answers no handshake. */
function speaksPlainRedis(url: string): Promise<boolean> {
  if (!url.startsWith('rediss:')) return Promise.resolve(false);
  const { hostname, port } = new URL(url);
  return new Promise((answer) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6_379), timeout: timeoutMs });
    const end = (isPlain: boolean) => (): void => {
      socket.destroy();
      answer(isPlain);
    };
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (text) => end(/^[-+][A-Z]/.test(text.toString('latin1')))());
    socket.once('error', end(false)).once('timeout', end(false)).once('close', end(false));
  });
}

export async function probeRedis(url: string): Promise<void> {
  // Only here: most verbs of the command line use PostgreSQL alone.
  const { openClient } = await import('../redis/open-client.ts');
  const client = openClient(url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // `connect` rejects with "connection is closed" only; the error event has the cause.
  let why: Error | undefined;
  client.on('error', (err) => {
    why ??= err;
  });
  try {
    await client.connect();
    await client.ping();
    // A node of a cluster answers PING, and then redirects two of three keys. Valkey has another name for the field.
    const info = client.isCluster ? '' : await client.info('server').catch(() => '');
    if (/^(redis|server)_mode:cluster/m.test(info)) throw new Error(CLUSTER_NODE);
  } catch (err) {
    const isSilent = (why as { code?: unknown } | undefined)?.code === 'ETIMEDOUT';
    if (isSilent && (await speaksPlainRedis(url))) throw new Error('The server does not support SSL');
    throw why ?? err;
  } finally {
    client.disconnect();
  }
}

/**
 * A process works without Redis, and so would start, and connect in vain for ever, where TLS to it fails, or where its
 * URL names a cluster as one server or one server as a cluster.
 * @throws StartError `store_tls`, `store_refused`
 */
export async function refuseUnfitRedis(url: string | undefined): Promise<void> {
  if (url === undefined) return;
  await probeRedis(url).catch((err: unknown) => {
    const trouble = troubleOf('Redis', url, err);
    if (trouble?.isTls) throw new StartError('store_tls', trouble.sentence, trouble.fix, { cause: err });
    if (trouble?.isOtherKind) throw new StartError('store_refused', trouble.sentence, trouble.fix, { cause: err });
  });
}
