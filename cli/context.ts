import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, meaningOf } from '../observability/log-errors.ts';
import { resolveDataDir } from '../services/platform/local/data-dir.ts';
import { findPostgresUrl } from '../services/platform/local/postgres.ts';
import { findRedisUrl } from '../services/platform/local/redis.ts';
import { createPool } from '../services/platform/postgres/pool.ts';
import { PROBE_TIMEOUT_SECONDS, probePostgres, probeRedis } from '../services/platform/process/probe-store.ts';
import { ownLogOf, troubleOf } from '../services/platform/process/store-trouble.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

export type Context = {
  dataDir: string;
  /** Leads to PostgreSQL itself, and has owner rights; never print it. */
  databaseUrl: string;
  redisUrl: string;
};

type Url = 'databaseUrl' | 'redisUrl';

const variables = { databaseUrl: 'DATABASE_URL', redisUrl: 'REDIS_URL' } as const satisfies Record<Url, string>;
const finders = { databaseUrl: findPostgresUrl, redisUrl: findRedisUrl } as const satisfies Record<Url, unknown>;
const probes = { databaseUrl: probePostgres, redisUrl: probeRedis } as const satisfies Record<Url, unknown>;
const names = { databaseUrl: 'PostgreSQL', redisUrl: 'Redis' } as const satisfies Record<Url, string>;

function fromCredentials(dataDir: string, url: Url): string | undefined {
  try {
    const file = JSON.parse(readFileSync(join(dataDir, 'dev-credentials.json'), 'utf8')) as Record<string, unknown>;
    const value = file[url === 'databaseUrl' ? 'database_url' : 'redis_url'];
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What to look at if a store does not answer: the setting that names it, else the log of the embedded one. */
function placeOf(url: Url, dataDir: string, env: NodeJS.ProcessEnv) {
  const own = ownLogOf(names[url], dataDir);
  return env[variables[url]] || !existsSync(own.log) ? variables[url] : own;
}

/**
 * The stores a verb works on: `DATABASE_DIRECT_URL` or `DATABASE_URL`, and `REDIS_URL`, from the environment, else the running local servers of
 * the data directory, else those named in its `dev-credentials.json`. Only the stores in `needs` are resolved and probed.
 *
 * @throws CommandError (3) if a needed store is unknown or does not answer
 */
export async function openContext<const N extends Url>(
  needs: readonly N[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Pick<Context, N | 'dataDir'>> {
  const dataDir = resolveDataDir(env);
  const context: Partial<Context> & { dataDir: string } = { dataDir };
  for (const url of needs) {
    const direct = url === 'databaseUrl' ? env.DATABASE_DIRECT_URL : undefined;
    const value = direct || env[variables[url]] || finders[url](dataDir) || fromCredentials(dataDir, url);
    const fix = `start it with "npm start", or set ${variables[url]}`;
    if (!value) throw new CommandError(exitCodes.unreachable, `no ${names[url]} is running for ${dataDir}`, fix);
    try {
      await probes[url](value);
    } catch (cause) {
      const error = cause as Error;
      const trouble = troubleOf(
        names[url],
        value,
        error,
        PROBE_TIMEOUT_SECONDS,
        direct ? 'DATABASE_DIRECT_URL' : placeOf(url, dataDir, env),
      );
      const message = trouble?.sentence ?? `${names[url]} refuses (${codeOf(error) ?? error.name})`;
      const code = trouble?.isTls ? exitCodes.storeTls : exitCodes.unreachable;
      throw new CommandError(code, message, trouble?.fix ?? meaningOf(error) ?? fix, { cause });
    }
    context[url] = value;
  }
  return context as Pick<Context, N | 'dataDir'>;
}

export const poolOf = (url: string, statementTimeoutMs = 10_000): ReturnType<typeof createPool> =>
  createPool({ url, connections: 2, applicationName: 'sallyport-cli', statementTimeoutMs, lockTimeoutMs: 5_000 });
