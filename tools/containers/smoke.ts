/** `npm run test:containers`: builds the image, looks into it, and runs the product from it as production would. */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { ensureDataDir } from '#services/platform/local/data-dir.ts';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { startPostgres } from '#services/platform/local/postgres.ts';
import { startRedis } from '#services/platform/local/redis.ts';
import { filesOf, type ImageFile, inspectImage, makeImage } from '../image/build.ts';
import { type Engine, findEngine } from '../image/engine.ts';
import { eventually } from '../stack/children.ts';
import { type Credentials, smoke } from '../stack/smoke.ts';

const TAG = 'sallyport:test';
const GRACE_SECONDS = 30;
/** As in docker-compose.yml. */
const CONFINED = ['--read-only', '--tmpfs=/tmp', '--cap-drop=all', '--security-opt=no-new-privileges'];

const say = (text: string): void => void process.stdout.write(`containers: ${text}\n`);
const folder = mkdtempSync(join(tmpdir(), 'sallyport-containers-'));
// As root, Postgres runs as another user, who must be able to pass through.
chmodSync(folder, 0o755);
const name = `sallyport-test-${randomBytes(4).toString('hex')}`;
const undo: (() => unknown)[] = [];

function assert(what: string, isTrue: boolean, found: unknown = ''): void {
  if (!isTrue) throw new Error(`not so: ${what} ${typeof found === 'string' ? found : JSON.stringify(found)}`);
}

/** Nothing in it helps an intruder: no shell, no package manager, no program that changes its user. */
function lookInto(files: readonly ImageFile[]): void {
  const helpful = /(^|\/)(sh|bash|dash|ash|busybox|apt|apt-get|dpkg|npm|npx|curl|wget|perl|python3?)$/;
  const programs = files.filter(({ mode, path }) => /^[-lh]/.test(mode) && helpful.test(path));
  assert('the image has no shell and no package manager', programs.length === 0, programs);
  const raised = files.filter(({ mode }) => /^-.{2}s|^-.{5}s/.test(mode));
  assert('no program changes its user', raised.length === 0, raised);
  const strays = files.filter(
    ({ path }) => /^app\/.*\.ts$|^app\/\.env$/.test(path) || /^app\/node_modules\/.*(\.d\.[cm]?ts|\.map)$/.test(path),
  );
  assert('the image has no TypeScript, types or settings of a developer', strays.length === 0, strays.slice(0, 5));
}

type Container = { readonly id: string; readonly role: string };

function starter(engine: Engine, env: Readonly<Record<string, string>>, secrets: string, state: string) {
  const settings = Object.entries(env).map(([key, value]) => `--env=${key}=${value}`);
  const mounts = [`--volume=${secrets}:/run/sallyport-secrets:ro`, `--volume=${state}:/var/lib/sallyport`];
  return (role: string, more: Readonly<Record<string, string>> = {}): Container => {
    const own = Object.entries(more).map(([key, value]) => `--env=${key}=${value}`);
    const words = ['run', '-d', '--network=host', ...engine.initOptions, ...CONFINED, ...mounts, ...settings, ...own];
    const id = engine.run(...words, TAG, role);
    undo.push(() => engine.ask('rm', '-f', id));
    return { id, role };
  };
}

const logOf = (engine: Engine, { id }: Container): string => {
  const { stdout, stderr } = engine.ask('logs', id);
  return `${stdout}${stderr}`.slice(-3_000);
};

function expectEnd(engine: Engine, container: Container, code: number): void {
  const ended = engine.run('wait', container.id);
  assert(`${container.role} ends with ${code}`, ended === String(code), `${ended}\n${logOf(engine, container)}`);
}

/** Stops it as an orchestrator does. @returns the seconds that it took */
function stop(engine: Engine, container: Container): number {
  const startedMs = performance.now();
  engine.run('stop', '-t', String(GRACE_SECONDS), container.id);
  const seconds = (performance.now() - startedMs) / 1_000;
  const code = engine.run('inspect', '--format', '{{.State.ExitCode}}', container.id);
  assert(`${container.role} drains and ends with 0`, code === '0', `${code}\n${logOf(engine, container)}`);
  assert(`${container.role} stops within its grace`, seconds < GRACE_SECONDS, `${seconds.toFixed(1)} s`);
  return seconds;
}

/** Kills a migration in its midst, while it waits for the name of a table that another session is making. */
async function killMigration(engine: Engine, start: () => Container, databaseUrl: string): Promise<void> {
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  await database.query('BEGIN; CREATE TABLE users ()');
  const container = start();
  const waiting = async (): Promise<boolean> =>
    (await database.query('SELECT FROM pg_locks WHERE NOT granted')).rows.length > 0;
  await eventually('the migration to wait for a table', waiting);
  engine.ask('kill', '-s', 'KILL', container.id);
  expectEnd(engine, container, 137);
  await database.query('ROLLBACK');
  const { rows } = await database.query(`SELECT to_regclass('audit_outbox') AS made`);
  await database.end();
  assert('a migration that is killed leaves nothing', rows[0].made === null);
  say('a container was killed in the midst of a migration, which left nothing');
}

async function run(): Promise<void> {
  const engine = findEngine();
  const report = makeImage(engine, TAG, say);
  say(`${TAG} has ${report.megabytes} MB and ${report.packages} npm packages, each with its reason`);
  assert('the image does not run as root', ['nonroot', '65532'].includes(inspectImage(engine, TAG).user));
  filesOf(engine, TAG, lookInto);
  say('it has no shell, no package manager, no test, and runs as a user of no rights');

  const dataDir = join(folder, 'data');
  ensureDataDir(dataDir);
  const stores = await Promise.all([startPostgres({ dataDir, say }), startRedis({ dataDir, say })]);
  undo.push(...stores.map((store) => () => store.stop()));
  const [postgres, redis] = stores;
  const secrets = join(folder, 'secrets');
  mkdirSync(secrets, { mode: 0o755 });
  const kept = {
    database_url: postgres.url,
    redis_url: redis.url,
    auth_secret: randomBytes(32).toString('base64'),
    key_encryption_key: randomBytes(32).toString('base64'),
  };
  for (const [file, text] of Object.entries(kept)) writeFileSync(join(secrets, file), text, { mode: 0o444 });
  engine.run('volume', 'create', name);
  undo.push(() => engine.ask('volume', 'rm', '-f', name));
  const ports = await Promise.all(Array.from({ length: 5 }, () => randomFreePort()));
  const [api, mcp, apiMetrics, mcpMetrics, workerMetrics] = ports.map(String) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const url = `http://127.0.0.1:${api}`;
  const start = starter(
    engine,
    {
      HOST: '127.0.0.1',
      SALLYPORT_PROFILE: 'development',
      BETTER_AUTH_URL: url,
      MCP_URL: `http://127.0.0.1:${mcp}/mcp`,
      BETTER_AUTH_SECRET_FILE: '/run/sallyport-secrets/auth_secret',
      KEY_ENCRYPTION_KEY_FILE: '/run/sallyport-secrets/key_encryption_key',
      DATABASE_URL_FILE: '/run/sallyport-secrets/database_url',
      REDIS_URL_FILE: '/run/sallyport-secrets/redis_url',
      // Every request comes from this machine.
      RATE_LIMIT_CREDENTIAL_PER_MINUTE: '100',
    },
    secrets,
    name,
  );

  await killMigration(engine, () => start('migrate'), postgres.url);
  const both = [start('migrate'), start('migrate')];
  for (const each of both) expectEnd(engine, each, 0);
  say('two that started at once afterwards both ended well');

  const startedMs = performance.now();
  const roles = [
    start('api', { PORT: api, METRICS_PORT: apiMetrics }),
    start('worker', { METRICS_PORT: workerMetrics }),
    start('mcp', { MCP_PORT: mcp, METRICS_PORT: mcpMetrics }),
  ];
  const probes = [`${url}/readyz`, `http://127.0.0.1:${workerMetrics}/healthz`, `http://127.0.0.1:${mcp}/readyz`];
  await Promise.all(
    probes.map(async (probe, at) => {
      const container = roles[at] as Container;
      await eventually(`${container.role} to be ready`, () => fetch(probe).then(({ ok }) => ok)).catch((err) => {
        throw new Error(`${(err as Error).message}\n${logOf(engine, container)}`);
      });
    }),
  );
  say(
    `api, worker and mcp are ready after ${((performance.now() - startedMs) / 1_000).toFixed(1)} s, read-only and without capabilities`,
  );

  const credentials = join(folder, 'dev-credentials.json');
  engine.run('cp', `${roles[0]?.id}:/var/lib/sallyport/dev-credentials.json`, credentials);
  await smoke(url, JSON.parse(readFileSync(credentials, 'utf8')) as Credentials);
  const refused = await fetch(`http://127.0.0.1:${mcp}/mcp`, { method: 'POST' });
  assert('the MCP server asks for a token', refused.status === 401, refused.status);
  assert('it says where to get one', /resource_metadata=/.test(refused.headers.get('www-authenticate') ?? ''));
  say('tokens were issued, validated, refreshed, revoked and refused; every answer was the expected one');

  const took = roles.map((container) => `${container.role} ${stop(engine, container).toFixed(1)} s`);
  say(`stopped, each with 0: ${took.join(', ')}`);
  say('all is well');
}

try {
  await run();
} catch (err) {
  process.stderr.write(`containers: ${(err as Error).message}\n`);
  process.exitCode = 1;
} finally {
  for (const step of undo.reverse()) await step();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
