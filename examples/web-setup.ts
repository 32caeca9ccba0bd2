// Before the tests of the web examples in Chromium: installs and builds each, which has packages of its own.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const EXAMPLES = ['web-next', 'web-astro'];
const OURS = { 'file:sallyport-verifier': '../../sdks/typescript', 'file:sallyport-react': '../../sdks/react' };
const MADE = /^(node_modules|\.next|\.astro|dist|next-env\.d\.ts|.*\.(tsbuildinfo|tgz))$/;
/** What the test runner and npm set for this process; a build must not see that a test asked for it. */
const OWN = /^(NODE_(ENV|OPTIONS|V8_COVERAGE|COMPILE_CACHE)|VITEST.*|TMPDIR|npm_(package|lifecycle)_.*)$/;

export const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !OWN.test(name)));

async function run(folder: string, command: string, ...args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { cwd: folder, env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part));
  const [status] = await once(child, 'close');
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed in ${folder}:\n${output}`);
}

/** Does the work unless it was done before for these files. @param stamp name of a file that remembers them */
async function unlessDone(folder: string, stamp: string, files: readonly string[], work: () => Promise<void>) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(join(folder, file)));
  const [digest, path] = [hash.digest('hex'), join(folder, 'node_modules', stamp)];
  try {
    if (readFileSync(path, 'utf8') === digest) return;
  } catch {}
  await work();
  writeFileSync(path, digest);
}

const filesOf = (folder: string): string[] =>
  globSync('**/*', { cwd: folder, exclude: ({ name }) => MADE.test(name), withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .sort();

async function prepare(example: string): Promise<void> {
  const folder = join(import.meta.dirname, example);
  const npm = (...args: readonly string[]): Promise<void> => run(folder, 'npm', ...args);
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8');
  const ours = Object.entries(OURS).flatMap(([tarball, sdk]) => (lock.includes(tarball) ? [sdk] : []));
  const packages = ['package-lock.json'];
  for (const sdk of ours) packages.push(...filesOf(join(folder, sdk)).map((file) => join(sdk, file)));
  await unlessDone(folder, '.installed', packages, async () => {
    for (const sdk of ours) await npm('pack', sdk);
    await npm('ci', '--no-audit', '--no-fund');
  });
  await unlessDone(folder, '.built', [...packages, ...filesOf(folder)], () => npm('run', 'build'));
}

export async function setup(): Promise<void> {
  for (const example of EXAMPLES) await prepare(example);
}
