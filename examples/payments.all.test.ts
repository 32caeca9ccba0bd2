// About: examples/payments/ sdks/ tools/tour-agents.ts tools/asking.ts docs/how-to/let-an-agent-pay.md services/wings/
import { type ChildProcess, spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request as forward, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { environmentOf, findPython, pythonIn } from '#tools/checks/python-environment.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { send } from '#tools/testing/http-client.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';
import { openAgent } from './payments/agent.ts';

const ROOT = resolve(import.meta.dirname, '..');
const PAYMENT = { amount: 125_000, currency: 'EUR', to: 'DE02120300000000202051' };
const ROLES = ['product_owner', 'security_reviewer'] as const;
const LINES =
  /^refused {3}signoff_required: product_owner, security_reviewer\nrequest {3}(\S+) SHA-256 \w{64}\n(?:waiting .+\n)*other {5}signoff_arguments_changed\npaid {6}\1\nagain {5}signoff_used\nreceipt {3}\d+: product_owner \S+, security_reviewer \S+\n$/;

const servers: Server[] = [];
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers each different request 503 once, as a busy server does, and passes it on when it comes again. */
async function startReluctant(port: number): Promise<{ readonly url: string; readonly refused: Set<string> }> {
  const refused = new Set<string>();
  const url = await serve(async (request, reply) => {
    const { method, url: path, headers } = request;
    const body = Buffer.concat(await request.toArray());
    const asked = `${method} ${path} ${hash('sha256', body)}`;
    if (!refused.has(asked)) {
      refused.add(asked);
      const problem = { code: 'store_unavailable', title: 'Busy', status: 503, fix: 'Try again.', retryable: true };
      reply.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '0' });
      reply.end(JSON.stringify(problem));
      return;
    }
    const passed = forward({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
      reply.writeHead(answer.statusCode as number, answer.headers);
      answer.pipe(reply);
    });
    passed.on('error', () => reply.destroy()).end(body);
  });
  return { url, refused };
}

type Credentials = { readonly agent_id: string; readonly client_id: string; readonly client_secret: string };

let folder: string;
let product: Product;
let api: Awaited<ReturnType<typeof startReluctant>>;
let payments: typeof api;
let python: string;
const children: ChildProcess[] = [];
/** Of the service, of the agent in TypeScript, and of the one in Python. */
let credentials: readonly Credentials[];
/** The API without the reluctant server before it. */
let direct: string;
const people = new Map<string, object>();

const ledger = (): string[] => readdirSync(join(folder, 'ledger'));

async function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  onLine: (line: string) => void | Promise<void> = () => {},
) {
  const child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  const ended = once(child, 'close');
  let [out, err] = ['', ''];
  child.stderr.on('data', (part: Buffer) => (err += part));
  for await (const line of createInterface({ input: child.stdout })) {
    out += `${line}\n`;
    await onLine(line);
  }
  const [code] = await ended;
  return { code, out, err };
}

async function approve(signOffId: string, sha256: string, roles: readonly string[] = ROLES): Promise<void> {
  for (const role of roles) {
    const { body } = await send(direct, 'POST', '/api/auth/signin', { json: people.get(role) });
    const path = `/v1/handoff/signoffs/${signOffId}/approve`;
    const sent = { bearer: body.tokens.access_token, json: { role, arguments_sha256: sha256 } };
    expect((await send(direct, 'POST', path, sent)).status).toBe(200);
  }
}

/** Runs an agent as a reader of the guide does; two people approve what it requests. */
async function runAgent(language: string, serviceUrl: string) {
  const isPython = language === 'Python';
  const { agent_id: id, client_secret: secret } = credentials[isPython ? 2 : 1] as Credentials;
  const [program, file] = isPython ? [python, 'agent.py'] : [process.execPath, 'agent.ts'];
  const args = [`examples/payments/${file}`, String(PAYMENT.amount), PAYMENT.currency, PAYMENT.to];
  const env = { SALLYPORT: api.url, PAYMENTS: serviceUrl, AGENT_ID: id, AGENT_SECRET: secret };
  const ended = await run(program, args, { ...env, PYTHONDONTWRITEBYTECODE: '1' }, async (line) => {
    const [, signOffId, sha256] = /^request +(\S+) SHA-256 (\w+)$/.exec(line) ?? [];
    if (signOffId !== undefined) await approve(signOffId, sha256 as string);
  });
  return { ...ended, id, secret };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-payments-'));
  python = pythonIn(environmentOf(findPython(), [join(ROOT, 'tools/testing/mcp-clients/requirements.txt')]));
  const [apiPort, port] = [await randomFreePort(), await randomFreePort()];
  [api, payments] = [await startReluctant(apiPort), await startReluctant(port)];
  direct = `http://127.0.0.1:${apiPort}`;
  const env = { PORT: String(apiPort), BETTER_AUTH_URL: api.url };
  product = await startProduct({ clusterDir: inject('clusterDir'), env });
  const local = { SALLYPORT_DATA_DIR: product.dataDir };
  for (const role of ROLES) {
    const json = { email: newEmail(), password: newPassword() };
    expect((await send(direct, 'POST', '/api/auth/signup', { json })).status).toBe(201);
    const granted = await runCli(['users', 'roles', json.email, '--grant', role, '--reason', 'x', '--yes'], local);
    expect(granted.code, granted.err).toBe(0);
    people.set(role, json);
  }
  const page = readFileSync(join(ROOT, 'docs/how-to/let-an-agent-pay.md'), 'utf8');
  const blocks = [...page.matchAll(/```bash pay\n([\s\S]*?)```/g)].map(([, block]) => block).join('');
  const script = `exec 3>&1 >/dev/null; ${blocks}printf '%s\\n' "$SERVICE" "$AGENT" "$PYTHON_AGENT" >&3`;
  const settings = { ...local, SALLYPORT_API: api.url, PAYMENTS: `${payments.url}/mcp` };
  const { code, out, err } = await run('bash', ['-euo', 'pipefail', '-c', script], settings);
  expect(code, err).toBe(0);
  credentials = (out.match(/^\{.*\}$/gm) ?? []).map((line) => JSON.parse(line));
  const { client_id: CLIENT_ID, client_secret: CLIENT_SECRET } = credentials[0] as Credentials;
  const own = { SALLYPORT: api.url, PORT: String(port), LEDGER: join(folder, 'ledger'), CLIENT_ID, CLIENT_SECRET };
  void run(process.execPath, ['examples/payments/service.ts'], { ...settings, ...own });
  await eventually('the service', () => fetch(`http://127.0.0.1:${port}/mcp`).catch(() => undefined));
}, 600_000);

afterAll(async () => {
  for (const child of children) if (child.exitCode === null && child.kill()) await once(child, 'exit');
  await product?.dispose();
  for (const server of servers) server.close().closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

const LANGUAGES = ['TypeScript', 'Python'];

test.each(LANGUAGES)(
  'the agent in %s is refused with a hint, gets two approvals and pays once, though each request is answered 503 first',
  { timeout: 300_000 },
  async (language) => {
    const [before, asked] = [ledger(), payments.refused.size];
    const { code, out, err, id } = await runAgent(language, `${payments.url}/mcp`);
    expect(out, err).toMatch(LINES);
    expect(code, err).toBe(0);
    const made = ledger().filter((entry) => !before.includes(entry));
    expect(made).toHaveLength(1);
    const entry = JSON.parse(readFileSync(join(folder, 'ledger', made[0] as string), 'utf8'));
    expect(entry).toEqual({ ...PAYMENT, payment_id: LINES.exec(out)?.[1], by: id });
    // Five calls of the tool, and what the SDK asks before.
    expect(payments.refused.size - asked).toBeGreaterThanOrEqual(5);
  },
);

test('one sign-off pays once for calls that come together, and not another agent, amount or approver', async () => {
  const open = ({ agent_id: clientId, client_secret: clientSecret }: Credentials) =>
    openAgent({ sallyport: api.url, payments: `${payments.url}/mcp`, clientId, clientSecret });
  const [agent, other] = [await open(credentials[1] as Credentials), await open(credentials[2] as Credentials)];
  onTestFinished(() => Promise.all([agent.close(), other.close()]).then(() => {}));
  const before = ledger().length;
  const hint = await agent.pay(PAYMENT);
  const { signoff_id: id, arguments_sha256: sha256 } = await agent.request(PAYMENT, hint);
  const errorOf = async (by: typeof agent, payment = PAYMENT, of = id) => (await by.pay(payment, of)).error;
  expect(await errorOf(agent)).toBe('signoff_role_missing');
  await approve(id, sha256);
  expect(await errorOf(agent)).toBe('signoff_not_running');
  await agent.start(id, PAYMENT);
  expect(await errorOf(other)).toBe('signoff_unknown');
  expect(await errorOf(agent, { ...PAYMENT, amount: PAYMENT.amount + 1 })).toBe('signoff_arguments_changed');
  expect(await errorOf(agent, PAYMENT, crypto.randomUUID())).toBe('signoff_unknown');

  const one = await agent.request(PAYMENT, { ...hint, required_roles: ['product_owner'] });
  await approve(one.signoff_id, sha256, ['product_owner']);
  await agent.start(one.signoff_id, PAYMENT);
  expect(await errorOf(agent, PAYMENT, one.signoff_id)).toBe('signoff_role_missing');
  expect(ledger()).toHaveLength(before);

  const errors = await Promise.all(Array.from({ length: 8 }, () => errorOf(agent)));
  expect(errors.filter((error) => error !== 'signoff_used')).toEqual([undefined]);
  await agent.finish(id, 'done');
  expect(await errorOf(agent)).toBe('signoff_used');
  expect(await errorOf(agent, PAYMENT, id.toUpperCase())).toBe('signoff_used');
  expect(ledger()).toHaveLength(before + 1);
});

test.each(LANGUAGES)('the agent in %s gives its secret to no server that a service names', async (language) => {
  const seen: string[] = [];
  const url: string = await serve(async (request, reply) => {
    seen.push(`${request.url} ${JSON.stringify(request.headers)} ${Buffer.concat(await request.toArray())}`);
    const isResource = request.url?.startsWith('/.well-known/oauth-protected-resource') === true;
    const metadata = {
      ...{ issuer: url, authorization_endpoint: `${url}/authorize`, token_endpoint: `${url}/token` },
      ...{ response_types_supported: ['code'], token_endpoint_auth_methods_supported: ['client_secret_basic'] },
    };
    const resource = { resource: `${url}/mcp`, authorization_servers: [url] };
    reply.writeHead(request.url?.startsWith('/.well-known/') ? 200 : 401, { 'content-type': 'application/json' });
    reply.end(JSON.stringify(isResource ? resource : metadata));
  });
  const { code, out, secret } = await runAgent(language, `${url}/mcp`);
  expect([code, out]).toEqual([1, '']);
  expect(seen.join('\n')).toContain('/.well-known/oauth-authorization-server');
  expect(seen.filter((asked) => /authorization":|\/token /.test(asked) || asked.includes(secret))).toEqual([]);
});

test('npm run tour:agents ends, though each request is answered 503 first', { timeout: 300_000 }, async () => {
  api.refused.clear();
  const env = { SALLYPORT_DATA_DIR: product.dataDir, SALLYPORT_API: api.url };
  const { code, out, err } = await run(process.execPath, ['tools/tour-agents.ts'], env);
  expect(code, out + err).toBe(0);
  expect(out).toMatch(/^7\. pay once +payment \S+, and the second time signoff_used$/m);
  expect(out).toMatch(/^9\. receipt +product_owner \S+, security_reviewer \S+\nverified \S+: entry \d+ of \d+$/m);
  const planted = [...api.refused].join('\n');
  for (const step of ['signup', 'signin', 'signoffs', 'approve', 'start', 'finish', 'receipt'])
    expect(planted).toContain(`/${step} `);
});
