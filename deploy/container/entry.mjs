// PROCESS: the command line in a container. Secrets come as files, but settings are read from the
// environment, so `NAME_FILE` becomes NAME here, only in the memory of this process and its children.
import { readFileSync } from 'node:fs';

for (const name of ['BETTER_AUTH_SECRET', 'DATABASE_URL', 'KEY_ENCRYPTION_KEY', 'REDIS_URL', 'SENTRY_DSN']) {
  const path = process.env[`${name}_FILE`];
  if (path && !process.env[name]) process.env[name] = readFileSync(path, 'utf8').trim();
  delete process.env[`${name}_FILE`];
}

await import('../../cli/main.ts');
