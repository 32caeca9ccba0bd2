import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../platform/config/load.ts';
import { ensureAuthSecret } from '../platform/local/data-dir.ts';
import { StartError } from '../platform/local/errors.ts';
import { loopbackOf } from '../platform/local/loopback.ts';
import { chooseListenPort } from './listen-port.ts';
import type { PreparationStep } from './migrate-and-seed.ts';
import type { ChildSpec } from './process-specs.ts';
import { prepareTasksDatabase } from './tasks-database.ts';

/** The tasks API of `examples/tasks-fastify`, which runs beside the product. */
export type TasksExample = { readonly url: string; readonly step: PreparationStep; readonly spec: ChildSpec };

type TasksExampleOptions = {
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
  readonly dataDir: string;
  readonly say: (text: string) => void;
  /** URL of the API on this machine, once it is ready. */
  readonly apiUrl: () => string;
  /** The name of this machine in URLs. */
  readonly loopback: string;
  /** Ports of the product. */
  readonly except: readonly number[];
};

/** On TASKS_PORT, or without it the next free port from 8000. @throws StartError */
export async function chooseTasksExample(options: TasksExampleOptions): Promise<TasksExample> {
  const { config, env, dataDir, say, except, apiUrl, loopback } = options;
  const { host, profile, tasksPort } = config.server;
  if (profile !== 'development')
    throw new StartError(
      'tasks_refused',
      `the tasks API is an example that uses the demo client, which ${profile} does not have`,
      'start without --with tasks, and run examples/tasks-fastify with a client of its own',
    );
  const isSet = Boolean(env.TASKS_PORT);
  const listen = await chooseListenPort({
    wanted: tasksPort,
    host,
    loopback,
    setting: 'TASKS_PORT',
    isSet,
    say,
    except,
  });

  const secret = config.identity.authSecret ?? ensureAuthSecret(dataDir);
  const password = createHmac('sha256', secret).update('sallyport tasks database\0').digest('base64url');
  let databaseUrl = '';
  const step: PreparationStep = {
    name: 'the database of the tasks API',
    run: async (input) => {
      databaseUrl = await prepareTasksDatabase(input.databaseUrl, password).catch((err: { code?: string }) => {
        const INSUFFICIENT_PRIVILEGE = '42501';
        if (err.code !== INSUFFICIENT_PRIVILEGE) throw err;
        throw new StartError(
          'tasks_database',
          'the database user may not create the role and the database of the tasks API',
          'ALTER ROLE … CREATEDB CREATEROLE, or unset DATABASE_URL to use the embedded PostgreSQL',
          { cause: err },
        );
      });
    },
  };
  const spec: ChildSpec = {
    name: 'tasks',
    entry: fileURLToPath(new URL('../../examples/tasks-fastify/main.ts', import.meta.url)),
    startsAfter: 'api',
    readyTimeoutSeconds: 60,
    drainSeconds: 5,
    servesMetrics: false,
    env: (product) => tasksEnv(product, { apiUrl: apiUrl(), port: listen.port, databaseUrl, ...demoClient(dataDir) }),
  };
  return { url: listen.url, step, spec };
}

type DemoClient = { readonly client_id: string; readonly client_secret: string };

const demoClient = (dataDir: string): DemoClient =>
  (JSON.parse(readFileSync(join(dataDir, 'dev-credentials.json'), 'utf8')) as { client: DemoClient }).client;

/** The old provider, if its access tokens are accepted, and it publishes its keys. */
const legacyEnv = ({ LEGACY_ISSUER, LEGACY_JWKS_URI, LEGACY_AUDIENCE, LEGACY_BRIDGE_UNTIL }: NodeJS.ProcessEnv) =>
  LEGACY_JWKS_URI && LEGACY_BRIDGE_UNTIL
    ? { LEGACY_ISSUER, LEGACY_JWKS_URI, LEGACY_AUDIENCE: LEGACY_AUDIENCE?.split(/[\s,]+/)[0], LEGACY_BRIDGE_UNTIL }
    : {};

/** Only what a service elsewhere would have too: none of the product's secrets but that of its client. */
function tasksEnv(
  product: NodeJS.ProcessEnv,
  {
    apiUrl,
    port,
    databaseUrl,
    client_id,
    client_secret,
  }: DemoClient & { apiUrl: string; port: number; databaseUrl: string },
): NodeJS.ProcessEnv {
  const { PATH, HOST, BETTER_AUTH_URL, JWT_ISSUER, JWT_AUDIENCE, JWT_ALGORITHM, JWT_SECRET, CORS_ORIGINS } = product;
  return {
    PATH,
    HOST: loopbackOf(HOST ?? 'localhost')[0],
    TASKS_PORT: String(port),
    DATABASE_URL: databaseUrl,
    BETTER_AUTH_URL: apiUrl,
    JWT_ISSUER: JWT_ISSUER ?? BETTER_AUTH_URL,
    JWT_AUDIENCE: JWT_AUDIENCE ?? BETTER_AUTH_URL,
    ...(JWT_ALGORITHM === 'HS256' ? { JWT_SECRET } : {}),
    ...(CORS_ORIGINS ? { CORS_ORIGINS } : {}),
    ...legacyEnv(product),
    CLIENT_ID: client_id,
    CLIENT_SECRET: client_secret,
  };
}
