// PROCESS: runs what the container is for: `api`, `worker`, `mcp` or `migrate` in this very process, else a verb of the command
// line. Secrets come as files, but settings are read from the environment, so `NAME_FILE` becomes NAME here, only in the
// memory of this process and its children.
import { readFileSync } from 'node:fs';

const names = [
  'BETTER_AUTH_SECRET',
  'DATABASE_DIRECT_URL',
  'DATABASE_URL',
  'KEY_ENCRYPTION_KEY',
  'REDIS_URL',
  'SENTRY_DSN',
  // For `migrate`, which makes the logins of the processes.
  'DATABASE_URL_API',
  'DATABASE_URL_MCP',
  'DATABASE_URL_WORKER',
];
for (const name of names) {
  const path = process.env[`${name}_FILE`];
  if (path && !process.env[name]) process.env[name] = readFileSync(path, 'utf8').trim();
  delete process.env[`${name}_FILE`];
}

// A role is one process with the login of its own: a proxy passes /mcp on to the role `mcp`.
process.env.MCP_IN_API ??= 'false';

const [role = 'api', ...more] = process.argv.slice(2);
// `migrate` alone is the role, `migrate up` the verb.
const isRole = ['api', 'worker', 'mcp', 'migrate'].includes(role) && more.length === 0;
await import(`../../dist/current/${isRole ? role : 'cli'}.mjs`);
