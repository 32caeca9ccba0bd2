/** `npm run bench`: every published figure against its baseline, in alternating pairs on this machine. */
import { parseArgs } from 'node:util';
import { type Bench, BenchContext } from '../lib/bench.ts';
import { circumstances, figureTable, shown } from '../lib/benchmarks-page.ts';
import { type Figure, isMet } from '../lib/figure.ts';
import { stopRunningProducts } from '../lib/product.ts';
import { saveResults, startRun } from '../lib/run.ts';
import { caches } from './caches.ts';
import { introspect, tracing, validateFresh, validateRepeated } from './hot-path.ts';
import { idle } from './idle.ts';
import { login } from './login.ts';
import { loginStorm } from './login-storm.ts';
import { clientPeer, peers, refreshPeer } from './peers.ts';
import { rateLimits } from './rate-limits.ts';
import { revokeReach } from './revoke-reach.ts';
import { sessions } from './sessions.ts';
import { storage } from './storage.ts';
import { verifiers } from './verifiers.ts';
import { verifiersReach } from './verifiers-reach.ts';

const benches: readonly Bench[] = [
  ...[validateRepeated, validateFresh, introspect, tracing],
  ...[clientPeer, refreshPeer, peers],
  ...[rateLimits, caches, revokeReach, login, loginStorm, sessions, storage, idle],
  ...[...verifiers, verifiersReach],
];

const help = `npm run bench -- [options]

Measures the running product against baselines on this machine and exits 1 when a figure misses its target.

  --only <name>     one bench, repeatable
  --pairs <n>       how often every side is measured, in turn (9)
  --seconds <n>     seconds of one measured run (5)
  --json            everything that was measured on stdout, instead of tables
  --no-save         leaves load-tests/results and docs/benchmarks.md as they are

Benches
${benches.map(({ name, about }) => `  ${name.padEnd(25)}${about}`).join('\n')}
`;

class UsageError extends Error {}

function wholeNumber(name: string, text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most)
    throw new UsageError(`--${name} must be a whole number from 1 to ${most}`);
  return value;
}

function options() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true, default: [] },
      pairs: { type: 'string', default: '9' },
      seconds: { type: 'string', default: '5' },
      json: { type: 'boolean', default: false },
      'no-save': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const only = values.only.flatMap((names) => names.split(','));
  const unknown = only.filter((only_) => !benches.some(({ name }) => name === only_));
  const known = benches.map(({ name }) => name).join(', ');
  if (unknown.length > 0) throw new UsageError(`no such bench: ${unknown.join(', ')}; there are ${known}`);
  return {
    ...values,
    chosen: benches.filter(({ name }) => only.length === 0 || only.includes(name)),
    pairs: wholeNumber('pairs', values.pairs, 50),
    seconds: wholeNumber('seconds', values.seconds, 300),
  };
}

const say = (text: string): void => void process.stderr.write(`bench: ${text}\n`);

async function main(): Promise<number> {
  const { help: isHelp, json, chosen, pairs, seconds, 'no-save': isDropped } = options();
  if (isHelp) {
    process.stdout.write(help);
    return 0;
  }
  const describeRun = startRun(
    `npm run bench${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(' ')}` : ''}`,
  );
  const context = new BenchContext({ pairs, seconds, say });
  let isStopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      isStopping = true;
      say('stopping');
      stopRunningProducts();
      void context.close().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
    });
  const measured: { bench: Bench; figures: readonly Figure[] }[] = [];
  let hasFailed = false;
  try {
    for (const bench of chosen) {
      say(`${bench.name}: ${bench.about}`);
      try {
        const figures = await bench.run(context);
        measured.push({ bench, figures });
        for (const { name, value, unit } of figures) say(`${name}: ${shown(value)} ${unit}`);
      } catch (err) {
        // The signal's handler ends the process once everything is stopped; half a run is no result.
        if (isStopping) return await new Promise<never>(() => {});
        hasFailed = true;
        say(`${bench.name} failed: ${(err as Error).stack}`);
      }
    }
  } finally {
    await context.close();
  }
  const run = describeRun(context.versions);
  const results = measured.map(({ bench: { name, limit }, figures }) => ({ bench: name, limit, ...run, figures }));
  const figures = results.flatMap((result) => result.figures);
  if (json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  else process.stdout.write(`${[...figureTable(figures), '', circumstances(run)].join('\n')}\n`);
  if (!isDropped && results.length > 0) say(`saved ${saveResults(results).join(', ')}`);
  return hasFailed || figures.some((figure) => isMet(figure) === false) ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (err) {
  const isUsage = err instanceof UsageError || (err as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`${isUsage ? `${(err as Error).message}\n\n${help}` : (err as Error).stack}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
