import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';

const MAIN = join(import.meta.dirname, 'main.ts');

const folder = testFolder();

/** Runs a verb in a process of its own, and returns the packages that it loads. */
function packagesOf(args: readonly string[]): string[] {
  const list = join(folder, 'loaded');
  const record = `import { registerHooks } from 'node:module';
    import { writeFileSync } from 'node:fs';
    const urls = [];
    registerHooks({ load: (url, context, next) => { urls.push(url); return next(url, context); } });
    process.on('exit', () => writeFileSync(${JSON.stringify(list)}, urls.join('\\n')));`;
  const { NODE_OPTIONS: _options, DATABASE_URL: _database, REDIS_URL: _redis, ...env } = process.env;
  try {
    execFileSync(process.execPath, [`--import=data:text/javascript,${encodeURIComponent(record)}`, MAIN, ...args], {
      env: { ...env, SALLYPORT_DATA_DIR: join(folder, 'data') },
      stdio: 'ignore',
    });
  } catch {
    // Nothing runs here: the verb loads what it needs, and says so.
  }
  const names = [...readFileSync(list, 'utf8').matchAll(/\/node_modules\/((?:@[^/]+\/)?[^/]+)\//g)].map(
    ([, name]) => name,
  );
  return [...new Set(names as string[])].sort();
}

test.each([[['--help']], [['status', '--help']], [['nonsense']]])(
  '%j loads no package but the parser of arguments',
  (args) => expect(packagesOf(args)).toEqual(['commander']),
);

/** What serves requests, runs jobs, sends telemetry and draws documents. */
const OF_SERVERS =
  /^(@better-auth|better-auth|better-call|@prisma|prisma|fastify|@fastify|bullmq|@bull-board|@opentelemetry\/(?!api$)|@sentry|@modelcontextprotocol|@node-rs|nodemailer|pdfkit|pino|ajv|rate-limiter-flexible|yaml)/;

test.each([
  [['status']],
  [['users', 'list']],
  [['users', 'why', 'olga@clinic.test']],
  [['clients', 'list']],
  [['roles', 'list']],
  [['sessions', 'list']],
  [['audit', 'tail']],
  [['keys', 'list']],
  [['token', 'issue']],
])('%j loads nothing that only servers need', (args) => {
  const loaded = packagesOf(args);
  expect(loaded).toContain('commander');
  expect(loaded.filter((name) => OF_SERVERS.test(name))).toEqual([]);
});
