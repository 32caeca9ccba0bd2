import { BACKGROUND } from '#services/platform/process/priority.ts';
import { outcome } from './outcome.ts';
import { CACHE, type Ran, runQuietly } from './run.ts';

const AT_ONCE = 4;
const LAST_LINES = 3;
const HOOK_LINES = 12;
/** Below the tests (`vitest.config.ts`). */
export const NICENESS = BACKGROUND + 2;

/** Steps that need no store, and run concurrently. They verify their `CACHE` against each file. */
export const checks: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  // What takes longest begins first: on a new machine Go compiles its library.
  go: ['node', ['tools/checks/go.ts']],
  types: ['tsc', ['--noEmit', '--incremental', '--tsBuildInfoFile', `${CACHE}/types.tsbuildinfo`]],
  console: ['tsc', ['-p', 'console', '--noEmit', '--incremental', '--tsBuildInfoFile', `${CACHE}/console.tsbuildinfo`]],
  lint: ['biome', ['check', '--error-on-warnings', '--max-diagnostics=50']],
  boundaries: ['node', ['tools/checks/boundaries.ts']],
  callers: ['node', ['tools/checks/callers.ts']],
  size: ['node', ['tools/checks/size.ts']],
  catalogue: ['node', ['tools/catalog/main.ts', '--check']],
  vectors: ['node', ['conformance/make-vectors.ts', '--check']],
  'dead-code': ['knip', ['--cache', '--cache-location', `${CACHE}/knip`]],
  // What cannot be looked up from this machine is skipped, unless DEPENDENCY_AUDIT=required.
  dependencies: ['node', ['tools/checks/dependencies.ts']],
  // Without a network: the dated list of advisories.
  advisories: ['node', ['tools/checks/listed-advisories.ts']],
  alerts: ['node', ['tools/checks/alerts.ts']],
  compose: ['node', ['tools/checks/compose.ts']],
  python: ['node', ['tools/checks/python.ts']],
};

/** Runs one step, and prints its output at the end unless it was already shown. */
export async function step(name: string, work: () => Promise<Ran>): Promise<void> {
  const startedMs = performance.now();
  const { status, output } = await work();
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  outcome.seconds[name] = seconds;
  process.stdout.write(`\n${output}== ${name} ${status === 0 ? 'passed' : 'FAILED'} in ${seconds.toFixed(1)} s\n`);
  if (status !== 0) {
    outcome.failedSteps.push(name);
    // Where no test failed, the end of what it printed says why; for a failed hook, what vitest prints alone.
    const [, hooks] = output.split(' Failed Suites ');
    const lines = hooks?.split('\n').slice(1, 1 + HOOK_LINES) ?? output.trim().split('\n').slice(-LAST_LINES);
    const last = lines.join('\n').trim();
    if (last !== '') outcome.failures.push(`FAILED ${name}:\n${last}`);
  }
  // Parts of a step that this machine cannot run; vitest counts its own.
  const skipped = [...output.matchAll(/^SKIPPED: (.+)$/gm)].map(([, why = '']) => `${name}: ${why}`);
  outcome.skips.push(...skipped);
  outcome.counts.skipped += skipped.length;
}

/** They compile and compute: a few at once, and behind the tests of other lanes, which wait for things to happen. */
export async function runChecks(names: readonly string[]): Promise<void> {
  const waiting = [...names];
  const next = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const [command, args] = checks[name] as (typeof checks)[string];
      await step(name, () => runQuietly(command, args, {}, NICENESS));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
}
