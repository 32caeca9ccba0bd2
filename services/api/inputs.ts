import { resolve } from 'node:path';
import type { Log } from '../domain/ports.ts';
import { type Config, ConfigError } from '../platform/config/load.ts';
import { ensureAuthSecret } from '../platform/local/data-dir.ts';
import { createFileMarks } from '../platform/marks/file-marks.ts';
import type { ComposeInput } from './compose.ts';

function required(value: string | undefined, env: string): string {
  if (value) return value;
  throw new ConfigError([
    { env, problem: 'is not set', fix: 'start with `npm start`, which brings its own, or set it' },
  ]);
}

/** What the threads of one API process are composed from: the same for each. Throws `ConfigError`. */
export function inputsOf(config: Config, log: Log): ComposeInput {
  const dataDir = resolve(config.server.dataDir);
  return {
    config,
    databaseUrl: required(config.stores.databaseUrl, 'DATABASE_URL'),
    redisUrl: required(config.stores.redisUrl, 'REDIS_URL'),
    authSecret: config.identity.authSecret ?? ensureAuthSecret(dataDir),
    publicUrl: config.server.publicUrl ?? `http://${config.server.host}:${config.server.port}`,
    marks: createFileMarks(dataDir),
    log,
  };
}
