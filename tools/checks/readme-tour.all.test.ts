import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { tour } from '#services/supervisor/ready.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';

const ROOT = resolve(import.meta.dirname, '../..');

let product: Product;
beforeAll(async () => {
  // Rate limits stay as a reader has them, but for sign-ins: the tests below follow each other faster than a reader.
  product = await startProduct({
    clusterDir: inject('clusterDir'),
    args: ['--with', 'tasks'],
    env: { RATE_LIMIT_PROFILE: 'default', RATE_LIMIT_CREDENTIAL_PER_MINUTE: '30' },
  });
});
afterAll(() => product?.dispose());

/** Runs a script as a reader's shell would, stopping at the first failing line or with the test. */
function bash(
  script: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<{ code: number | null; output: string }> {
  // The folders that `mktemp` creates.
  const temporary = mkdtempSync(join(tmpdir(), 'sallyport-shell-'));
  return new Promise<{ code: number | null; output: string }>((done, fail) => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: ROOT,
      env: { ...process.env, TMPDIR: temporary, ...env },
      // A bash whose input is a socket believes that it is a remote shell, and reads start-up files.
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', fail).once('close', (code) => done({ code, output }));
  }).finally(() => rmSync(temporary, { recursive: true, force: true }));
}

// Some twenty commands, each a process of its own.
test('the README tour runs as printed', { timeout: 300_000 }, async ({ signal }) => {
  const readme = await readFile(resolve(ROOT, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/```bash tour\n([\s\S]*?)```/g)].map(([, block]) => block);
  expect(blocks.length).toBeGreaterThanOrEqual(4);
  const { code, output } = await bash(blocks.join('\n'), { SALLYPORT_DATA_DIR: product.dataDir }, signal);
  expect(output).toContain('the same token');
  expect(output).toMatch(/^4\. own tasks +take the tour\n5\. another's +403 user_mismatch$/m);
  expect(output).toMatch(/^2\. refused +send_payment: signoff_required of product_owner and security_reviewer$/m);
  expect(output).toMatch(/^4\. approve +product_owner \S+: pending\n5\. approve +security_reviewer \S+: approved$/m);
  expect(output).toMatch(/^6\. altered +409 signoff_arguments_changed$/m);
  expect(output).toMatch(/^7\. pay once +payment \S+, and the second time signoff_used$/m);
  expect(output).toMatch(/^8\. incident +\S+ agent_anomaly: .*closed/m);
  expect(output).toMatch(/^9\. receipt +product_owner \S+, security_reviewer \S+\nverified \S+: entry \d+ of \d+$/m);
  expect(output).toMatch(/^revoked$/m);
  expect(output).toMatch(/^active$/m);
  expect(output).toMatch(/^verified \S+: entry 0 of \d+$/m);
  expect(output).toMatch(/^verified \S+: \d+ entries, root /m);
  expect(output).toMatch(/^valid +\d+ events$/m);
  expect(code, output).toBe(0);
});

test('after the tours no incident is open, no alert about it pages, and doctor lists each red control as missing for production', async () => {
  const ask = async (...args: string[]) =>
    JSON.parse((await runCli([...args, '--json'], { SALLYPORT_DATA_DIR: product.dataDir })).out);
  expect((await ask('incidents', 'list', '--state', 'open')).incidents).toEqual([]);
  const { checks } = (await ask('doctor')) as {
    checks: readonly { name: string; result: string; items?: readonly string[] }[];
  };
  expect(checks.filter(({ result }) => result === 'fail')).toEqual([]);
  const listed = checks.find(({ name }) => name === 'production')?.items ?? [];
  const page = async () => (await fetch(product.metrics)).text();
  expect(await page()).toMatch(/^sallyport_profile\{.*profile="development".*\} 1$/m);
  const controls = /^sallyport_compliance_control_pass\{.*control="([^"]+)".*\} 0$/gm;
  // A busy worker collects them later than the tours end.
  const red = await eventually('a red control on the page of metrics', async () => {
    const names = [...(await page()).matchAll(controls)].map(([, name]) => name);
    return names.length > 0 && names;
  });
  const missing = (name: string) => listed.some((item) => item.startsWith(`${name}: `));
  // The derived key-encryption key is listed by its setting.
  expect(red.filter((name) => !missing(name === 'key-custody' ? 'KEY_ENCRYPTION_KEY' : name!))).toEqual([]);
});

test('the five lines of the banner end in a token validated, revoked, refused, and an audit proof verified', async ({
  signal,
}) => {
  const lines = tour(product.api, product.credentials.user, product.dataDir);
  const { code, output } = await bash(lines.join('\n'), {}, signal);
  expect(code, output).toBe(0);
  expect(output).toMatch(/"active":true.*\n.*"epoch":\d+.*\n.*"active":false,"reason":"revoked"/);
  expect(output).toMatch(/^verified \S+: entry 0 of \d+$/m);
});

/** Passes tokens to the verifier; it refuses a revoked token after its next poll of the feed. */
const USE_OF_VERIFIER = `
import { check, follow } from './verifier.mjs';
const { API, DEMO_EMAIL: email, DEMO_PASSWORD: password } = process.env;
const send = async (path, body, bearer) => {
  const headers = { 'content-type': 'application/json', ...(bearer && { authorization: 'Bearer ' + bearer }) };
  const answer = await fetch(API + path, { method: 'POST', body: JSON.stringify(body), headers });
  if (!answer.ok) throw new Error(path + ' answered ' + answer.status);
  return answer.json();
};
const signIn = () => send('/api/auth/signin', { email, password });
const { user, tokens: { access_token: first } } = await signIn();
const { tokens: { access_token: second } } = await signIn();
const tell = async (what, token) =>
  console.log(what + ': ' + await check(token).then(({ sub }) => sub === user.id, (err) => err.message));
await tell('unread', first);
await follow();
await tell('good', first);
await tell('changed', first.slice(0, -9) + (first.at(-9) === 'A' ? 'B' : 'A') + first.slice(-8));
await send('/v1/tokens/revoke', { token: first, reason: 'tried' }, first);
await follow();
await tell('revoked', first);
await tell('another', second);
await send('/v1/tokens/revoke', { user_id: user.id, reason: 'tried' }, second);
await follow();
await tell('its user ended', second);
process.exit(0);
`;

test('the verifier of check-tokens.md accepts valid tokens, and refuses them once they are revoked', async ({
  signal,
}) => {
  const page = await readFile(resolve(ROOT, 'docs/how-to/check-tokens.md'), 'utf8');
  const [, verifier = ''] = /```js verifier\n([\s\S]*?)```/.exec(page) ?? [];
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-verifier-'));
  try {
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    await writeFile(join(folder, 'verifier.mjs'), verifier);
    await writeFile(join(folder, 'use.mjs'), USE_OF_VERIFIER);
    const script = `set -a; demo=$(npx sallyport demo env); eval "$demo"; node_modules/.bin/node '${join(folder, 'use.mjs')}'`;
    const { code, output } = await bash(script, { SALLYPORT_DATA_DIR: product.dataDir }, signal);
    expect(code, output).toBe(0);
    expect(output.match(/^(?!npm ).+$/gm)).toEqual([
      'unread: revocations are stale: answer 503',
      'good: true',
      'changed: signature verification failed',
      'revoked: revoked',
      'another: true',
      'its user ended: revoked',
    ]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('every file that README and CONTRIBUTING name exists', async () => {
  for (const page of ['README.md', 'CONTRIBUTING.md']) {
    const text = await readFile(resolve(ROOT, page), 'utf8');
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path]) => path as string);
    const walked = [...text.matchAll(/`([a-z-]+\/[a-z/.-]+\.(?:ts|mjs))`/g)].map(([, path]) => path as string);
    expect(links.length + walked.length, page).toBeGreaterThan(0);
    for (const path of links)
      await expect(
        readFile(resolve(ROOT, path)).catch((err) => (err.code === 'EISDIR' ? '' : Promise.reject(err))),
        path,
      ).resolves.toBeDefined();
    for (const path of walked) {
      const places = [path, `services/${path}`, `services/core/${path}`, `services/wings/${path}`];
      const found = await Promise.all(
        places.map((place) =>
          readFile(resolve(ROOT, place)).then(
            () => true,
            () => false,
          ),
        ),
      );
      expect(found, path).toContain(true);
    }
  }
});
