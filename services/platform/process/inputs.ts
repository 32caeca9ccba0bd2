import { resolve } from 'node:path';
import { type Config, ConfigError } from '../config/load.ts';
import { databaseUrlsOf } from '../config/stores.ts';
import { ensureAuthSecret } from '../local/data-dir.ts';
import { createMarks } from '../marks/mark-stores.ts';

function required(value: string | undefined, env: string): string {
  if (value) return value;
  throw new ConfigError([
    { env, problem: 'is not set', fix: 'start with `npm start`, which starts a local server, or set it' },
  ]);
}

/** Configuration and secrets that every process needs. Throws `ConfigError`. */
export function processInputsOf(config: Config) {
  const dataDir = resolve(config.server.dataDir);
  return {
    dataDir,
    ...databaseUrlsOf(required(config.stores.databaseUrl, 'DATABASE_URL'), config.stores),
    redisUrl: required(config.stores.redisUrl, 'REDIS_URL'),
    authSecret: config.identity.authSecret ?? ensureAuthSecret(dataDir),
    marks: createMarks(config.marks, dataDir),
  };
}
