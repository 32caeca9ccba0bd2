// About: examples/ sdks/
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { environmentOf, findPython, PYTHON_PACKAGE, pythonIn } from '#tools/checks/python-environment.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { LEGACY_AUDIENCE, type LegacyProvider, startLegacyProvider } from '#tools/testing/fakes/legacy-provider.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { type Received, type Sent, send } from '#tools/testing/http-client.ts';

const ROOT = resolve(import.meta.dirname, '..');
const FASTAPI = join(ROOT, 'examples/tasks-fastapi');
/** The bound within which a revocation is visible, and a busy machine's second. */
const REVOKED_WITHIN_MS = 2_000;

type User = { readonly id: string; readonly bearer: string };

const HOUR_MS = 3_600_000;

let folder: string;
let product: Product;
let provider: LegacyProvider;
let python: string;
let pythonEnv: NodeJS.ProcessEnv;
let fastapi: ChildProcess | undefined;
const bases = { fastify: '', fastapi: '' };
let ada: User;
let eve: User;

const signUp = async (name: string): Promise<User> => {
  const email = `${name}-${Date.now()}@example.test`;
  const json = { email, password: `the long passphrase of ${name}` };
  const { status, text, body } = await send(product.api, 'POST', '/api/auth/signup', { json });
  expect(status, text).toBe(201);
  return { id: body.user.id, bearer: body.tokens.access_token };
};

async function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd = ROOT): Promise<string> {
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part));
  const [code] = await once(child, 'close');
  expect(code, output).toBe(0);
  return output;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-tasks-'));
  const requirements = [join(PYTHON_PACKAGE, 'requirements.txt'), join(FASTAPI, 'requirements.txt')];
  python = pythonIn(environmentOf(findPython(), requirements));
  provider = await startLegacyProvider();
  const legacy = {
    LEGACY_ISSUER: provider.issuer,
    LEGACY_JWKS_URI: provider.jwksUri,
    LEGACY_AUDIENCE,
    LEGACY_BRIDGE_UNTIL: new Date(Date.now() + HOUR_MS).toISOString(),
  };
  product = await startProduct({
    clusterDir: inject('clusterDir'),
    args: ['--with', 'tasks'],
    env: { WORKER_COPIES: '0', CORS_ORIGINS: 'https://app.example', ...legacy },
  });
  bases.fastify = product.ready.tasks as string;

  // As docker-compose.yml does: a client and a database of its own, as files.
  const [secrets, dataDir] = [join(folder, 'secrets'), join(folder, 'data')];
  for (const path of [secrets, dataDir]) mkdirSync(path);
  const { database_url: DATABASE_URL, redis_url: REDIS_URL } = product.credentials;
  const owner = { DATABASE_URL, REDIS_URL, SALLYPORT_DATA_DIR: product.dataDir, SALLYPORT_ENV_FILE: '' };
  const prepare = () => run(process.execPath, ['deploy/container/prepare-tasks.mjs', secrets, '_fastapi'], owner);
  await prepare();
  await prepare();
  expect(readdirSync(secrets).sort()).toEqual(['client_id', 'client_secret', 'database_password', 'database_url']);
  const port = await randomFreePort();
  bases.fastapi = `http://127.0.0.1:${port}`;
  pythonEnv = {
    PYTHONPATH: join(PYTHON_PACKAGE, 'src'),
    PYTHONDONTWRITEBYTECODE: '1',
    BETTER_AUTH_URL: product.api,
    CORS_ORIGINS: 'https://app.example',
    DATABASE_URL_FILE: join(secrets, 'database_url'),
    CLIENT_ID_FILE: join(secrets, 'client_id'),
    CLIENT_SECRET_FILE: join(secrets, 'client_secret'),
    ...legacy,
  };
  const env = { PATH: process.env.PATH, ...pythonEnv, TASKS_PORT: String(port) };
  fastapi = spawn(python, ['-m', 'tasks_api'], { cwd: FASTAPI, env, stdio: ['ignore', 'inherit', 'inherit'] });
  [ada, eve] = [await signUp('ada'), await signUp('eve')];
  await eventually('the FastAPI service', () =>
    send(bases.fastapi, 'GET', '/healthz').then(
      ({ status }) => status === 200 || undefined,
      () => undefined,
    ),
  );
}, 600_000);

afterAll(async () => {
  if (fastapi !== undefined && fastapi.exitCode === null) {
    fastapi.kill();
    await once(fastapi, 'exit');
  }
  await product?.dispose();
  await provider?.close();
  rmSync(folder, { recursive: true, force: true });
});

test('the FastAPI example passes its own tests, type checker and linter', { timeout: 400_000 }, async () => {
  const tool = (...args: string[]) => run(python, ['-m', ...args], pythonEnv, FASTAPI);
  await tool('ruff', 'format', '--check', '-q', '.');
  await tool('ruff', 'check', '-q', '.');
  await tool('mypy');
  const database = new URL(product.credentials.database_url);
  database.pathname = '/postgres';
  const plugin = ['-p', 'sallyport_verifier.pytest_plugin'];
  expect(
    await run(python, ['-m', 'pytest', ...plugin], { ...pythonEnv, DATABASE_URL: database.href }, FASTAPI),
  ).toMatch(/ passed/);
});

test('the clients in curl and TypeScript run as they are', async () => {
  const env = { API: product.api, TASKS: bases.fastify };
  const lines = (await run('bash', ['examples/curl/tasks.sh'], env)).trim().split('\n');
  expect(lines).toEqual(['true', 'call by curl', '0', 'revoked']);
  const output = await run(process.execPath, ['examples/typescript/tasks.ts'], { ...env, TASKS: bases.fastapi });
  expect(output.match(/title: 'call from TypeScript'/g)).toHaveLength(2);
});

const KINDS = ['fastify', 'fastapi'] as const;

/** Another process of a service, with these settings over those of the others. */
function spawnService(
  kind: (typeof KINDS)[number],
  settings: Readonly<Record<string, string>>,
): ChildProcessByStdio<null, Readable, Readable> {
  const [program, args, cwd] =
    kind === 'fastify'
      ? [process.execPath, ['examples/tasks-fastify/main.ts'], ROOT]
      : [python, ['-m', 'tasks_api'], FASTAPI];
  const secret = (name: string): string => readFileSync(String(pythonEnv[`${name}_FILE`]), 'utf8');
  return spawn(program, args, {
    cwd,
    env: {
      ...{ PATH: process.env.PATH, ...pythonEnv, DATABASE_URL_FILE: '', CLIENT_ID_FILE: '', CLIENT_SECRET_FILE: '' },
      DATABASE_URL: secret('DATABASE_URL'),
      CLIENT_ID: secret('CLIENT_ID'),
      CLIENT_SECRET: secret('CLIENT_SECRET'),
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

test.each(KINDS)(
  'on %s a wrong client secret is one line in the log at the start, and 503 client_refused',
  async (kind) => {
    const port = await randomFreePort();
    const service = spawnService(kind, { CLIENT_SECRET: 'wrong', TASKS_PORT: String(port) });
    let output = '';
    for (const stream of [service.stdout, service.stderr]) stream.on('data', (part: Buffer) => (output += part));
    const refusals = (): number => output.split('client_refused: /v1/revocations answered 401').length - 1;
    try {
      // Before any request.
      await eventually('the line of the log', async () => refusals() === 1 || undefined);
      const answer = await eventually('the service', () =>
        send(`http://127.0.0.1:${port}`, 'GET', `/api/${ada.id}/tasks`, { bearer: ada.bearer }).catch(() => undefined),
      );
      expect([answer.status, answer.body.code]).toEqual([503, 'client_refused']);
      expect(answer.body.fix).toContain('revocations:read');
      expect(answer.text).not.toMatch(/PostgreSQL|readyz/);
      await sleep(2_000);
      expect(refusals(), output).toBe(1);
    } finally {
      service.kill();
      await once(service, 'exit');
    }
  },
);

test.each(KINDS)('on %s tokens of the old provider are refused as soon as the bridge has ended', async (kind) => {
  const port = await randomFreePort();
  const LEGACY_BRIDGE_UNTIL = new Date(Date.now() - 1_000).toISOString();
  const service = spawnService(kind, { LEGACY_BRIDGE_UNTIL, TASKS_PORT: String(port) });
  const list = (bearer: string) => send(`http://127.0.0.1:${port}`, 'GET', `/api/${ada.id}/tasks`, { bearer });
  try {
    const own = await eventually('the service', () => list(ada.bearer).catch(() => undefined));
    expect(own.status).toBe(200);
    const { status, body } = await list(await provider.token({ sub: ada.id, sid: kind }));
    expect([status, body.code]).toEqual([401, 'wrong_issuer']);
  } finally {
    service.kill();
    await once(service, 'exit');
  }
});

describe.each(KINDS)('the tasks API on %s', (kind) => {
  const call = (method: string, path: string, sent: Sent = {}): Promise<Received> =>
    send(bases[kind], method, path, sent);
  const of = ({ id }: User, taskId?: string): string => `/api/${id}/tasks${taskId === undefined ? '' : `/${taskId}`}`;
  const create = async (user: User, json: object): Promise<{ id: string; user_id: string; description: unknown }> => {
    const { status, body, text } = await call('POST', of(user), { bearer: user.bearer, json });
    expect(status, text).toBe(201);
    return body;
  };
  const expectProblem = ({ status, headers, body }: Received, expected: readonly [number, string]): void => {
    expect([status, body?.code]).toEqual(expected);
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({ status, title: expect.any(String), fix: expect.any(String), retryable: false });
  };

  test('a user creates, lists, changes and deletes tasks, and sees no task of another user', async () => {
    const task = await create(ada, { title: 'write "it" down; DROP TABLE tasks', description: 'über alles: 🗒' });
    expect(task).toMatchObject({ user_id: ada.id, completed: false, description: 'über alles: 🗒' });
    const second = await create(ada, { title: 'second' });
    const theirs = await create(eve, { title: 'of eve' });
    const listed = await call('GET', of(ada), { bearer: ada.bearer });
    expect(listed.status).toBe(200);
    expect(listed.headers.get('cache-control')).toBe('no-store');
    expect(listed.body.map(({ id }: { id: string }) => id)).toEqual([task.id, second.id]);
    expect(listed.body[0]).toEqual(task);

    const changed = await call('PUT', of(ada, task.id), {
      bearer: ada.bearer,
      json: { completed: true, description: null },
    });
    expect(changed.body).toMatchObject({
      id: task.id,
      title: 'write "it" down; DROP TABLE tasks',
      completed: true,
      description: null,
    });
    // Another user's task under one's own path, and an id that is none: there is no such task.
    for (const id of [theirs.id, crypto.randomUUID(), 'none', "'--"]) {
      const path = of(ada, encodeURIComponent(id));
      expectProblem(await call('PUT', path, { bearer: ada.bearer, json: { title: 'mine' } }), [404, 'task_unknown']);
      expectProblem(await call('DELETE', path, { bearer: ada.bearer }), [404, 'task_unknown']);
    }
    expect((await call('GET', of(eve), { bearer: eve.bearer })).body).toEqual([theirs]);
    for (const { id } of [task, second]) {
      const gone = await call('DELETE', of(ada, id), { bearer: ada.bearer });
      expect([gone.status, gone.text]).toEqual([204, '']);
    }
    expect((await call('GET', of(ada), { bearer: ada.bearer })).body).toEqual([]);
  });

  test('a token is verified first, then the user in the path, then the rest: 401 before 403 before the body and the task', async () => {
    const { body } = await send(product.api, 'POST', '/oauth2/token', {
      basic: product.credentials.client,
      form: { grant_type: 'client_credentials', resource: 'https://elsewhere.example' },
    });
    const [head, payload, signature = ''] = ada.bearer.split('.');
    const forged = [head, payload, (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1)].join('.');
    const garbage = { body: '{', headers: { 'content-type': 'text/html' } };
    for (const [method, path] of [
      ['GET', of(ada)],
      ['POST', of(ada)],
      ['PUT', of(ada, 'none')],
      ['DELETE', of(ada, 'none')],
    ] as const) {
      const sent = method === 'GET' ? {} : garbage;
      const none = await call(method, path, sent);
      expectProblem(none, [401, 'unauthenticated']);
      expect(none.headers.get('www-authenticate')).toBe('Bearer');
      expectProblem(await call(method, path, { ...sent, bearer: forged }), [401, 'bad_signature']);
      expectProblem(await call(method, path, { ...sent, bearer: 'x'.repeat(60_000) }), [401, 'malformed']);
      expectProblem(await call(method, path, { ...sent, bearer: body.access_token }), [401, 'wrong_audience']);
      expectProblem(await call(method, path, { ...sent, bearer: eve.bearer }), [403, 'user_mismatch']);
    }
    expectProblem(await call('GET', '/api/unknown/tasks', { bearer: ada.bearer }), [403, 'user_mismatch']);
  });

  test('a body is bounded and matches its schema', async () => {
    const bearer = ada.bearer;
    for (const json of [
      {},
      [],
      null,
      { title: '' },
      { title: 'x'.repeat(201) },
      { title: 7 },
      { title: null },
      { title: 'x', description: 'x'.repeat(2_001) },
      { title: 'x', description: 'a NUL \0' },
      { title: 'half of a pair \ud800' },
      { title: 'x', user_id: eve.id },
      { title: 'x', completed: 'true' },
    ])
      expect([json, (await call('POST', of(ada), { bearer, json })).status]).toEqual([json, 400]);
    const task = await create(ada, { title: '🗒'.repeat(200), description: null });
    for (const json of [{}, { completed: 1 }, { title: null }, { id: 'x' }])
      expectProblem(await call('PUT', of(ada, task.id), { bearer, json }), [400, 'request_invalid']);
    await call('DELETE', of(ada, task.id), { bearer });

    const json = { 'content-type': 'application/json' };
    expectProblem(await call('POST', of(ada), { bearer, body: '{"title"', headers: json }), [400, 'body_malformed']);
    expectProblem(await call('POST', of(ada), { bearer, form: { title: 'x' } }), [415, 'content_type_unsupported']);
    const large = { title: 'x', description: 'x'.repeat(17_000) };
    expectProblem(await call('POST', of(ada), { bearer, json: large }), [413, 'body_too_large']);
    expect((await call('GET', of(ada), { bearer })).body).toEqual([]);
  });

  test('there are four operations: another method is 405 with Allow, another path 404', async () => {
    for (const [method, path, allow] of [
      ['PUT', of(ada), 'GET, POST'],
      ['DELETE', of(ada), 'GET, POST'],
      ['GET', of(ada, 'none'), 'PUT, DELETE'],
      ['POST', of(ada, 'none'), 'PUT, DELETE'],
      ['PATCH', of(ada, 'none'), 'PUT, DELETE'],
    ] as const) {
      const answer = await call(method, path, { bearer: ada.bearer });
      expectProblem(answer, [405, 'method_not_allowed']);
      expect(answer.headers.get('allow')).toBe(allow);
    }
    expect((await call('HEAD', of(ada), { bearer: ada.bearer })).status).toBe(405);
    for (const path of ['/', `${of(ada)}/`, of(ada, 'none/more')])
      expectProblem(await call('GET', path, { bearer: ada.bearer }), [404, 'route_unknown']);
  });

  test('pages of a listed origin may call it, others may not', async () => {
    const ask = async (origin: string) => {
      const headers = {
        origin,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'authorization,content-type,dpop',
      };
      return (await call('OPTIONS', of(ada, 'none'), { headers })).headers;
    };
    const listed = await ask('https://app.example');
    expect(listed.get('access-control-allow-origin')).toBe('https://app.example');
    expect(listed.get('access-control-allow-methods')).toContain('PUT');
    const allowed = (listed.get('access-control-allow-headers') ?? '').toLowerCase().split(', ');
    expect(allowed).toEqual(expect.arrayContaining(['authorization', 'content-type', 'dpop']));
    expect(listed.get('access-control-allow-credentials')).toBeNull();
    expect((await ask('https://evil.example')).get('access-control-allow-origin')).toBeNull();
  });

  test('a user has at most 500 tasks, also when requests come together', async () => {
    const user = await signUp(`busy-${kind}`);
    const url = new URL(product.credentials.database_url);
    url.pathname += kind === 'fastify' ? '_tasks' : '_fastapi';
    await queryRows(url.href)`INSERT INTO tasks (user_id, title) SELECT ${user.id}, 'one of many'
      FROM generate_series(1, 490)`;
    const add = () => call('POST', of(user), { bearer: user.bearer, json: { title: 'the last' } });
    const answers = await Promise.all(Array.from({ length: 20 }, add));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(10);
    expectProblem(answers.find(({ status }) => status !== 201) as Received, [409, 'task_limit_reached']);
  });

  test('a token of the old provider is accepted until its session ends, and only for the tasks of its user', async () => {
    const user = await signUp(`moving-${kind}`);
    const link = `INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('legacy', $1, $1)`;
    await queryRows(product.credentials.database_url)(link, [user.id]);
    const token = await provider.token({ sub: user.id, sid: `moving ${kind}` });
    const list = async (bearer: string, { id } = user) => call('GET', of({ id, bearer }), { bearer });
    expect((await list(token)).status).toBe(200);
    expectProblem(await list(token, eve), [403, 'user_mismatch']);
    const elsewhere = await provider.token({ sub: user.id, sid: `moving ${kind}`, aud: 'https://elsewhere.example' });
    expectProblem(await list(elsewhere), [401, 'wrong_audience']);

    const { body } = await send(product.api, 'POST', '/v1/legacy/sessions', { json: { token } });
    const ended = await send(product.api, 'DELETE', `/v1/sessions/${body.session.id}`, {
      bearer: body.tokens.access_token,
    });
    expect(ended.status).toBe(204);
    const startedMs = performance.now();
    const refused = await eventually('the refusal', async () => {
      const answer = await list(token);
      return answer.status === 401 ? answer : undefined;
    });
    expectProblem(refused, [401, 'session_ended']);
    expect(performance.now() - startedMs).toBeLessThan(REVOKED_WITHIN_MS);
  });

  test('a revoked token is refused, and tokens are verified while the API stands still', async () => {
    const user = await signUp(`guest-${kind}`);
    const list = async ({ id, bearer }: User) => (await call('GET', `/api/${id}/tasks`, { bearer })).status;
    expect(await list(user)).toBe(200);
    const json = { token: user.bearer, reason: 'tried' };
    const revoked = await send(product.api, 'POST', '/v1/tokens/revoke', { bearer: user.bearer, json });
    expect(revoked.status).toBe(200);
    const startedMs = performance.now();
    await eventually('the refusal', async () => (await list(user)) === 401 || undefined);
    expect(performance.now() - startedMs).toBeLessThan(REVOKED_WITHIN_MS);

    const another = await signUp(`another-${kind}`);
    const api = product.apiPid() as number;
    process.kill(api, 'SIGSTOP');
    try {
      // Longer than the bound of the feed, so that the revocations are known to be old.
      await sleep(4_000);
      expect(await list(ada)).toBe(200);
      // Never seen before.
      expect(await list(another)).toBe(200);
      expect(await list(user)).toBe(401);
    } finally {
      process.kill(api, 'SIGCONT');
    }
  });
});
