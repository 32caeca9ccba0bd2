import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../platform/config/load.ts';
import { storeUnavailable } from '../platform/errors.ts';
import { childEnv, type Surroundings } from './child-env.ts';
import { runStep } from './migrate-and-seed.ts';
import { processSpecs, withOwnRedisUser } from './process-specs.ts';

const settings = (env: Record<string, string> = {}) => loadConfig(env);

test('an API and a worker by default, because the API serves MCP clients, else those that the settings ask for', () => {
  const started = (env?: Record<string, string>) => processSpecs(settings(env)).map(({ name }) => name);
  expect([started(), started({ MCP_COPIES: '1' })]).toEqual([
    ['api', 'worker'],
    ['api', 'worker', 'mcp'],
  ]);
  expect([started({ WORKER_COPIES: '0' }), started({ API_COPIES: '0' })]).toEqual([['api'], ['worker']]);
  expect(started({ SALLYPORT_LEAVE_OUT: 'mcp', MCP_COPIES: '1' })).toEqual(['api', 'worker']);
});

test('a child connects to the local Redis as the user of its process, with the rest of its environment', () => {
  const [api] = processSpecs(settings());
  const own = { ...api!, env: (product: NodeJS.ProcessEnv) => ({ ...product, MORE: '1' }) };
  const env = withOwnRedisUser(own).env?.({ REDIS_URL: 'redis://:word@127.0.0.1:1/0', PORT: '3000' });
  expect(env).toMatchObject({ PORT: '3000', MORE: '1' });
  expect(env?.REDIS_URL).toMatch(/^redis:\/\/sallyport_api:[\w-]{43}@127\.0\.0\.1:1\/0$/);
});

test.each(['API_COPIES', 'WORKER_COPIES', 'MCP_COPIES'])(
  '%s=2 ends the start: a supervisor runs one of a kind',
  (name) => expect(() => loadConfig({ [name]: '2' })).toThrow(`${name}: must be a whole number from 0 to 1`),
);

test('a start without any process ends with an error that names all settings', () => {
  expect(() => loadConfig({ API_COPIES: '0', WORKER_COPIES: '0', MCP_COPIES: '0' })).toThrow(/API_COPIES/);
  expect(() => loadConfig({ API_COPIES: '0', WORKER_COPIES: '0', SALLYPORT_LEAVE_OUT: 'mcp' })).toThrow(/API_COPIES/);
});

test('a child is killed only after its own drain time', () => {
  const specs = processSpecs(settings({ DRAIN_SECONDS: '25', WORKER_DRAIN_SECONDS: '25' }));
  expect(specs.every((spec) => spec.drainSeconds > 25 && spec.drainSeconds <= 28)).toBe(true);
  const [api] = processSpecs(settings({ DRAIN_SECONDS: '10', DRAIN_NOTICE_SECONDS: '5' }));
  expect(api).toMatchObject({ name: 'api', drainSeconds: 18 });
});

test('every entry in the table is a file', () => {
  for (const spec of processSpecs(settings())) expect([spec.entry, existsSync(spec.entry)]).toEqual([spec.entry, true]);
});

const at: Surroundings = {
  host: '127.0.0.1',
  port: 3_001,
  apiUrl: 'http://127.0.0.1:3001',
  mcp: undefined,
  databaseUrl: 'postgresql://local/sallyport',
  redisUrl: 'redis://local',
  dataDir: '/data',
  authSecret: 'made',
};

test('a child gets the addresses actually used, whatever was requested', () => {
  const asked = { HOST: '::', PORT: '3000', DATABASE_URL: 'x', REDIS_URL: 'y', SALLYPORT_DATA_DIR: 'data', OTHER: 'z' };
  expect(childEnv(asked, at)).toEqual({
    BETTER_AUTH_SECRET: 'made',
    BETTER_AUTH_URL: at.apiUrl,
    SALLYPORT_GENERATED: 'BETTER_AUTH_SECRET,BETTER_AUTH_URL',
    HOST: at.host,
    PORT: '3001',
    DATABASE_URL: at.databaseUrl,
    REDIS_URL: at.redisUrl,
    SALLYPORT_DATA_DIR: at.dataDir,
    OTHER: 'z',
  });
});

test('a given secret and public address replace the generated ones; empty ones do not', () => {
  const given = { BETTER_AUTH_SECRET: 'given', BETTER_AUTH_URL: 'https://auth.example.test' };
  expect(childEnv(given, at)).toMatchObject({ ...given, SALLYPORT_GENERATED: '' });
  const empty = { BETTER_AUTH_SECRET: '', BETTER_AUTH_URL: '', OTHER: '' };
  expect(childEnv(empty, at)).toMatchObject({ BETTER_AUTH_SECRET: 'made', BETTER_AUTH_URL: at.apiUrl });
  expect(childEnv(empty, at)).not.toHaveProperty('OTHER');
});

test('without a generated secret, a child has no secret rather than an empty one', () =>
  expect(childEnv({}, { ...at, authSecret: undefined })).not.toHaveProperty('BETTER_AUTH_SECRET'));

test('every child knows the address of the MCP server, and a given one replaces it', () => {
  const withMcp = { ...at, mcp: { port: 3_002, url: 'http://127.0.0.1:3002' } };
  expect(childEnv({ MCP_PORT: '0' }, withMcp)).toMatchObject({
    MCP_URL: 'http://127.0.0.1:3002/mcp',
    MCP_PORT: '3002',
  });
  expect(childEnv({ MCP_URL: 'https://mcp.example' }, withMcp)).toMatchObject({ MCP_URL: 'https://mcp.example' });
});

/** Runs a step that throws these errors, one per call, before it succeeds. */
async function runFailing(errors: readonly Error[], isWanted = true): Promise<{ runs: number; log: string[] }> {
  let runs = 0;
  const log: string[] = [];
  const run = async (): Promise<void> => {
    runs += 1;
    const err = errors[runs - 1];
    if (err) throw err;
  };
  const input = {
    databaseUrl: 'postgres://u:hidden-word@db/d',
    redisUrl: '',
    dataDir: '',
    log: (text: string) => void log.push(text),
  };
  await runStep({ name: 'the sample', run }, input, 30, () => isWanted).catch((err: unknown) => {
    throw Object.assign(err as Error, { runs });
  });
  return { runs, log };
}

const slow = (): Error => storeUnavailable({ cause: new Error('timeout exceeded when trying to connect') });

describe('a preparation step', () => {
  test('is retried while the database is slow, and the log names its host and port', async () => {
    const { runs, log } = await runFailing([slow(), slow()]);
    expect(runs).toBe(3);
    expect(log).toEqual([
      'PostgreSQL at db:5432 does not answer: timed out; retrying for up to 30 s (fix: check that it runs and is not overloaded, and check host and port in DATABASE_URL)',
    ]);
  });

  test('is not retried after a failure of its own', () =>
    expect(runFailing([new Error('plain')])).rejects.toMatchObject({ runs: 1 }));

  test('is not retried once a stop was requested', () =>
    expect(runFailing([slow()], false)).rejects.toMatchObject({ runs: 1 }));
});
