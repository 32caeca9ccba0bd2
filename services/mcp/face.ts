import { poolTimeouts, poolWait } from '#observability/metrics/postgres.ts';
import type { App } from '../api/app.ts';
import type { Composed as ApiComposed } from '../api/compose.ts';
import type { Config } from '../platform/config/load.ts';
import type { DatabaseUrls } from '../platform/config/stores.ts';
import { createPool, createSql, createTransact } from '../platform/postgres/pool.ts';
import { composePorts, mcpAuthenticators } from './ports.ts';
import { createServer } from './server.ts';

export type FaceInput = {
  readonly config: Config;
  readonly urls: DatabaseUrls;
  readonly publicUrl: string;
  readonly version: string;
};

/** Few: a call runs one statement at a time, and the process has the pools of the API beside it. */
const CONNECTIONS = 4;

/**
 * The MCP server as a part of an API process. It shares the API's views, limits and caches; its statements have their own
 * connections, which run as the role `sallyport_mcp`.
 */
export async function openFace(
  api: ApiComposed & Pick<App, 'inFlight'>,
  { config, urls, publicUrl, version }: FaceInput,
): Promise<App & { close(): Promise<void> }> {
  const { databaseGuard } = api.stores;
  const labels = { pool: 'mcp' } as const;
  const wait = poolWait.at(labels);
  const timeouts = poolTimeouts.at(labels);
  const { databaseUrl, pooledUrl } = urls;
  const pool = createPool({
    ...(pooledUrl === undefined ? { url: databaseUrl } : { url: pooledUrl, isPooled: true }),
    role: 'sallyport_mcp',
    applicationName: 'sallyport-mcp',
    connections: CONNECTIONS,
    statementTimeoutMs: 2_000,
    lockTimeoutMs: 1_000,
    limitsRequests: true,
    onWait: (waitMs, isGivenUp) => {
      wait.record(waitMs / 1_000);
      if (isGivenUp) timeouts.add(1);
    },
    onLost: databaseGuard.doubt,
  });
  const sql = createSql(pool, databaseGuard);
  const transact = createTransact(
    pool,
    (err) => api.ports.log.error({ err }, 'an action after a commit failed'),
    databaseGuard,
  );
  const [own, ...others] = api.ports.tokenSettings.mcpAudiences;
  const ports = await composePorts(
    { ...api.ports, sql, transact, hotSql: sql },
    { resources: [own as string, ...others], publicUrl, enqueue: api.producer.enqueue },
  );
  const composed = {
    ports,
    authenticators: mcpAuthenticators(ports, ports.confirmNewest),
    stores: api.stores,
    wakeSealing: api.wakeSealing,
  };
  const app = createServer(composed, config, { version }, { inFlight: api.inFlight });
  await app.fastify.ready();
  return {
    ...app,
    close: async () => {
      await app.fastify.close();
      await pool.end();
    },
  };
}
