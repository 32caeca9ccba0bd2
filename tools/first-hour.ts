// Measures the way of a newcomer: a clone, the command of the README, and an account of one's own in a browser.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { launchChromium } from '#tools/testing/harness/browser.ts';

/** From `git clone` to the signed-up user. */
const LIMIT_SECONDS = 300;
const ROOT = resolve(import.meta.dirname, '..');

/** The first command that the README gives under "Start". */
export function startCommandOf(readme: string): string {
  const command = /\n## Start\n+```sh\n([^#\n]+)/.exec(readme)?.[1]?.trim();
  if (command === undefined) throw new Error('the README has no command under "Start"');
  return command;
}

const run = async (command: string, args: readonly string[]): Promise<void> => {
  const child = spawn(command, args, { stdio: ['ignore', 2, 2] });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`);
};

/** Starts the product in a folder, and waits for its ready line. */
async function start(command: string, folder: string): Promise<{ api: string; stop(): Promise<void> }> {
  const { SALLYPORT_DATA_DIR: _dataDir, DATABASE_URL: _database, REDIS_URL: _redis, ...env } = process.env;
  const product = spawn(command, {
    cwd: folder,
    shell: true,
    detached: true,
    stdio: ['ignore', 'pipe', 2],
    env: { ...env, SALLYPORT_ENV_FILE: '' },
  });
  // Not `exit`: npm ends before the product does, which holds the pipe until it has stopped.
  const ended = once(product, 'close');
  const stop = async (): Promise<void> => {
    if (product.exitCode === null) process.kill(-(product.pid as number), 'SIGTERM');
    await ended;
  };
  const ready = Promise.withResolvers<string>();
  createInterface({ input: product.stdout as Readable }).on('line', (line) => {
    if (line.startsWith('{')) ready.resolve((JSON.parse(line) as { api: string }).api);
  });
  void ended.then(() => ready.reject(new Error(`"${command}" ended before it was ready`)));
  try {
    return { api: await ready.promise, stop };
  } catch (err) {
    await stop();
    throw err;
  }
}

/** Signs a new user up as a person does: from the start page, by its links. */
async function signUp(api: string, email: string): Promise<void> {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    await page.goto(api);
    await page.getByRole('link', { name: 'Create account' }).click();
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password', { exact: true }).fill('seven quiet rivers of tin');
    await page.getByRole('button', { name: 'Create account', exact: true }).click();
    await page.goto(`${api}/account`);
    await page.getByText(email).first().waitFor();
  } finally {
    await browser.close();
  }
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-first-hour-'));
  // As root, Postgres runs as another user, who must be able to enter the folder.
  await chmod(folder, 0o755);
  const startedMs = performance.now();
  const seconds = (): number => Math.round((performance.now() - startedMs) / 100) / 10;
  const times: Record<string, number> = {};
  try {
    await run('git', ['clone', '--quiet', '--depth', '1', `file://${ROOT}`, folder]);
    times.cloned_s = seconds();
    const product = await start(startCommandOf(await readFile(join(folder, 'README.md'), 'utf8')), folder);
    times.ready_s = seconds();
    try {
      await signUp(product.api, 'newcomer@example.com');
      times.signed_up_s = seconds();
    } finally {
      await product.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const isInTime = (times.signed_up_s as number) <= LIMIT_SECONDS;
  process.stdout.write(`${JSON.stringify({ ...times, limit_s: LIMIT_SECONDS, in_time: isInTime })}\n`);
  process.exitCode = isInTime ? 0 : 1;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename) await main();
