import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Product, startProduct } from '../../services/platform/testing/product.ts';
import { tour } from '../../services/supervisor/ready.ts';

const ROOT = resolve(import.meta.dirname, '../..');

let product: Product;
beforeAll(async () => {
  // A reader has no other limits than these.
  product = await startProduct({ env: { RATE_LIMIT_PROFILE: 'default' } });
});
afterAll(() => product?.dispose());

/** Runs a script as a reader's shell would, stopping at the first failing line or with the test. */
function bash(
  script: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<{ code: number | null; output: string }> {
  return new Promise((done, fail) => {
    const options = { cwd: ROOT, env: { ...process.env, ...env }, signal };
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], options);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', fail).once('close', (code) => done({ code, output }));
  });
}

// Some twenty commands, each a process of its own.
test('the README tour runs as it stands', { timeout: 180_000 }, async ({ signal }) => {
  const readme = await readFile(resolve(ROOT, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/```sh tour\n([\s\S]*?)```/g)].map(([, block]) => block);
  expect(blocks.length).toBeGreaterThanOrEqual(4);
  const { code, output } = await bash(blocks.join('\n'), { SALLYPORT_DATA_DIR: product.dataDir }, signal);
  expect(output).toContain('the same successor');
  expect(output).toMatch(/^revoked$/m);
  expect(output).toMatch(/^active$/m);
  expect(output).toMatch(/^verified \S+: entry 0 of \d+$/m);
  expect(output).toMatch(/^verified \S+: \d+ entries, root /m);
  expect(output).toMatch(/^valid +\d+ events$/m);
  expect(code, output).toBe(0);
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

test('every file the README and CONTRIBUTING name is there', async () => {
  for (const page of ['README.md', 'CONTRIBUTING.md']) {
    const text = await readFile(resolve(ROOT, page), 'utf8');
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path]) => path as string);
    const walked = [...text.matchAll(/`((?:api|tokens|keys|identity|platform|cli)\/[a-z/-]+\.ts)`/g)].map(
      ([, path]) => path as string,
    );
    for (const path of links)
      await expect(
        readFile(resolve(ROOT, path)).catch((err) => (err.code === 'EISDIR' ? '' : Promise.reject(err))),
        path,
      ).resolves.toBeDefined();
    for (const path of walked) {
      const places = [path, `services/${path}`, `services/domain/${path}`];
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
