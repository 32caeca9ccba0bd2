import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

export const K6_VERSION = 'v1.8.1';
/** Exit code of k6 for thresholds that were crossed. */
export const K6_THRESHOLDS_CROSSED = 99;
const root = resolve(import.meta.dirname, '../..');
const binFolder = join(root, 'load-tests/.bin');

/** k6 is not installed and cannot be built. */
export class K6Missing extends Error {}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Asks every k6, and its build, to end: k6 then writes its summary. After ten seconds they are killed.
 * @returns whether there was any
 */
export function stopK6(): boolean {
  for (const child of running) {
    child.kill('SIGINT');
    setTimeout(() => child.kill('SIGKILL'), 10_000).unref();
  }
  return running.size > 0;
}

/** Resolves to the exit code, or 130 if a signal ended the process. */
function endOf(child: ChildProcess): Promise<number> {
  running.add(child);
  return new Promise<number>((done, fail) => {
    child.once('error', fail);
    child.once('close', (code, signal) => done(code ?? (signal ? 130 : 1)));
  }).finally(() => running.delete(child));
}

function onPath(name: string, more: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), more];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Path of k6, which is built from its Go module if it is not installed. @throws K6Missing */
export async function findK6(say: (text: string) => void): Promise<string> {
  const found = onPath('k6', binFolder);
  if (found) return found;
  const go = onPath('go', '/usr/local/go/bin');
  const module = `go.k6.io/k6@${K6_VERSION}`;
  const fix = `Install k6 ${K6_VERSION}, or install Go and run: GOBIN=${binFolder} go install ${module}`;
  if (!go) throw new K6Missing(`k6 is not on PATH, and without Go it cannot be built. ${fix}`);
  say(`k6 is not on PATH: building ${module} into ${binFolder}, which takes a few minutes the first time`);
  mkdirSync(binFolder, { recursive: true });
  const build = spawn(go, ['install', module], {
    cwd: binFolder,
    env: { ...process.env, GOBIN: binFolder, GOFLAGS: '-buildvcs=false' },
    stdio: ['ignore', 2, 2],
  });
  if (build.pid !== undefined) setPriority(build.pid, constants.priority.PRIORITY_LOW);
  if ((await endOf(build)) !== 0) throw new K6Missing(`k6 is not on PATH, and the build failed. ${fix}`);
  return join(binFolder, 'k6');
}

export type K6Run = { readonly pid: number; readonly ended: Promise<number> };

/** Runs a scenario. k6 has a process group of its own, so that Ctrl-C reaches it only through `stopK6`. */
export function startK6(binary: string, scenario: string, env: Readonly<Record<string, string>>): K6Run {
  const file = join(root, 'load-tests/scenarios', `${scenario}.js`);
  const outputs = 'K6_OTEL_HTTP_EXPORTER_ENDPOINT' in env ? ['--out', 'opentelemetry'] : [];
  const progress = process.stderr.isTTY ? [] : ['--quiet', '--no-color'];
  const args = ['run', '--no-usage-report', '--address', 'localhost:0', ...progress, ...outputs, file];
  const child = spawn(binary, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 2, 2],
    detached: true,
  });
  return { pid: child.pid ?? 0, ended: endOf(child) };
}
