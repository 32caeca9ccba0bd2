import { ensureProgram, type SystemProgram } from './system-program.ts';

export const REDIS: SystemProgram = {
  names: ['redis-server', 'valkey-server'],
  packages: {
    'apt-get': ['redis-server'],
    dnf: ['redis', 'valkey'],
    apk: ['redis', 'valkey'],
    brew: ['valkey', 'redis'],
  },
  why: 'jobs and rate limits need a Redis',
  errorCode: 'no_redis',
  orElse: 'or set REDIS_URL',
};

/**
 * Path of a Redis or Valkey server: from PATH, else installed by the system's package manager if we are root.
 *
 * @throws StartError `no_redis` with the exact command to run
 */
export const ensureRedisBinary = (say: (text: string) => void): Promise<string> => ensureProgram(REDIS, say);
