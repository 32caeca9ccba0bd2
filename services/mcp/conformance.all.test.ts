// About: services/mcp/ examples/payments/ docs/reference/mcp-conformance.md
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { type Json, send } from '#tools/testing/http-client.ts';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import { repositoryRoot } from '../platform/local/data-dir.ts';
import { randomFreePort } from '../platform/local/ports.ts';
import { openClientsHarness } from './clients-harness.ts';

const REVISION = '2026-07-28';
const SUITE = join(repositoryRoot, 'node_modules/@modelcontextprotocol/conformance');
const CLIENT = join(repositoryRoot, 'tools/testing/mcp-clients/client.ts');
const PAGE = 'docs/reference/mcp-conformance.md';
const MINUTES_MAX = 10;
const REPEATS_MAX = 9;
const REPEAT_MS = 300;

const harness = opened(openClientsHarness);
const read = (...path: string[]): string => readFileSync(join(...path), 'utf8');
const page = read(repositoryRoot, PAGE);

type Scored = { readonly scenario: string; readonly leg: 'server' | 'client' };
type Requirements = Readonly<Record<'server' | 'client', readonly string[]>> & { readonly not_scored: Scored[] };
const requirements: Requirements = parse(read(SUITE, `requirements/${REVISION}.yaml`));
const scenariosOf = (leg: Scored['leg']): readonly string[] => [
  ...requirements[leg],
  ...requirements.not_scored.filter((each) => each.leg === leg).map(({ scenario }) => scenario),
];

type Check = { readonly id: string; readonly status: string; readonly details?: Json };
/** A scenario, its result, and which of its checks did not succeed. */
type Row = readonly [scenario: string, result: string, checks: string];

/** The table of the page under this heading. */
const listed = (heading: string): Row[] =>
  (page.split(`## ${heading}\n`)[1] ?? '')
    .split('\n## ', 1)[0]!
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
    .map(([, scenario, result, checks]) => [scenario, result, checks] as Row);

/** Messages that keep to the schema are a check of their own in each scenario: it alone is no success. */
function rowOf(scenario: string, checks: readonly Check[]): Row {
  const isOwn = ({ id, status }: Check): boolean => status !== 'INFO' && id !== 'wire-schema-valid';
  const missed = checks.filter(({ status }) => status !== 'SUCCESS' && status !== 'INFO');
  if (missed.length === 0) return [scenario, 'whole', ''];
  if (!checks.some((each) => isOwn(each) && each.status === 'SUCCESS')) return [scenario, 'not', 'all'];
  return [scenario, 'in part', [...new Set(missed.map(({ id }) => id))].join(', ')];
}

const inOrder = (rows: readonly Row[]): Row[] => rows.toSorted(([a], [b]) => (a < b ? -1 : 1));

/** Runs a command of the suite. @returns the files that it wrote of a scenario, by name */
async function runSuite(args: readonly string[], env = {}, onStart: (suite: ChildProcess) => void = () => {}) {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-mcp-conformance-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const suite = spawn(process.execPath, [join(SUITE, 'dist/index.js'), ...args, '-o', folder], {
    env: { ...process.env, ...env },
  });
  onTestFinished(() => void suite.kill());
  suite.stderr.resume();
  onStart(suite);
  suite.stdout.resume();
  await once(suite, 'close');
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return (scenario: string, file = 'checks.json'): string => {
    const path = found.find((each) => each.startsWith(`${scenario}-2`) && each.endsWith(file));
    return path === undefined ? '[]' : read(folder, path);
  };
}

/** The suite sends no tokens: a proxy adds one, and passes a wrong name of a host or a page on as it is. */
async function withToken(token: string) {
  const api = new URL(harness.mcpUrl);
  const proxy = await listening(
    createServer(async (asked, reply) => {
      const { url = '/', method = 'GET' } = asked;
      const headers = { ...asked.headers, authorization: `Bearer ${token}` };
      if (headers.host === `127.0.0.1:${proxy.port}`) headers.host = api.host;
      if (headers.origin === proxy.url) headers.origin = api.origin;
      const body = Buffer.concat(await asked.toArray());
      const pass = (repeatsLeft: number): void => {
        const passed = request(new URL(url, api), { method, headers }, (answer) => {
          // On a busy machine the API has read its state too long ago, and says so.
          if (answer.statusCode === 503 && repeatsLeft > 0) {
            answer.resume();
            setTimeout(pass, REPEAT_MS, repeatsLeft - 1);
          } else answer.pipe(reply.writeHead(answer.statusCode as number, answer.headers));
        });
        passed.on('error', () => reply.destroy());
        reply.on('close', () => passed.destroy());
        passed.end(body);
      };
      pass(REPEATS_MAX);
    }),
  );
  onTestFinished(proxy.close);
  return `${proxy.url}/mcp`;
}

test('the page names the version of the suite that runs', () => {
  expect(page).toContain(`\`@modelcontextprotocol/conformance\` ${JSON.parse(read(SUITE, 'package.json')).version}`);
});

test(
  'the MCP server meets each scenario of the revision as the page says',
  async () => {
    const client = await harness.newClient(['keys:read', 'audit:read', 'incidents:read', 'compliance:manage']);
    const form = { grant_type: 'client_credentials', resource: harness.mcpUrl };
    const { body } = await send(harness.api.url, 'POST', '/oauth2/token', { basic: client, form });
    const url = await withToken(body.access_token);
    const result = await runSuite(['server', '--url', url, '--requirements', REVISION]);
    const found = scenariosOf('server').map((each) => rowOf(each, JSON.parse(result(`server-${each}`))));
    expect(inOrder(found)).toEqual(inOrder(listed('MCP server')));
  },
  60_000 * MINUTES_MAX,
);

test(
  'the authorization server meets each scenario as the page says',
  async () => {
    const port = await randomFreePort();
    const json = { redirect_uris: [`http://127.0.0.1:${port}/callback`], token_endpoint_auth_method: 'none' };
    const { body } = await send(harness.api.url, 'POST', '/oauth2/register', { json });
    const url = new URL(harness.mcpUrl).origin;
    const args = ['authorization', '--url', url, '--client-id', body.client_id, '--resource', harness.mcpUrl];
    const result = await runSuite([...args, '--port', String(port)], {}, ({ stdout }) => {
      createInterface({ input: stdout! }).on('line', async (line) => {
        if (line.startsWith(`${url}/oauth2/authorize`)) await fetch(await harness.signIn(new URL(line)));
      });
    });
    const scenarios = ['authorization-server-metadata-endpoint', 'authorization-code-grant'];
    const found = scenarios.map((each) => rowOf(each, JSON.parse(result(`authorization-${each}`))));
    expect(inOrder(found)).toEqual(inOrder(listed('Authorization server')));
  },
  60_000 * MINUTES_MAX,
);

const runClient = (scenario: string, env = {}) => {
  const of = ['--scenario', scenario, '--spec-version', REVISION, '--force', '--timeout', '120000'];
  return runSuite(['client', '--command', `${process.execPath} ${CLIENT}`, ...of], env);
};

test(
  'clients meet each scenario of the revision as the page says',
  async () => {
    const found: Row[] = [];
    for (const scenario of scenariosOf('client')) {
      const result = await runClient(scenario);
      found.push(rowOf(scenario, JSON.parse(result(scenario))));
    }
    expect(inOrder(found)).toEqual(inOrder(listed('Clients')));
  },
  60_000 * MINUTES_MAX,
);

test.each([
  'auth/client-credentials-basic',
  'auth/client-credentials-jwt',
  'auth/enterprise-managed-authorization',
  'auth/wif-jwt-bearer',
])('a client pinned to its issuer sends no credential where another server is named: %s', async (scenario) => {
  const result = await runClient(scenario, { PINNED_ISSUER: 'https://auth.example.com' });
  expect(result(scenario, 'stderr.txt')).toContain('AuthorizationServerMismatchError');
  const asked = JSON.parse(result(scenario)).map(({ details }: Check) => details?.path);
  expect(asked).toContain('/mcp');
  expect(asked).not.toContain('/token');
});
