/** `npm run bench`: every published figure against its baseline, in one alternating run on this machine. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Bench, BenchContext } from '../lib/bench.ts';
import { type Figure, isMet } from '../lib/figure.ts';
import { stopRunningProducts } from '../lib/product.ts';
import { circumstances, saveReport, shown, startReport, textTable } from '../lib/report.ts';
import { backup } from './backup.ts';
import { bridge } from './bridge.ts';
import { caches } from './caches.ts';
import { cleanup } from './cleanup.ts';
import { clientAssertions, clientCredentials, clientGroupCommit, clientPeer } from './client-credentials.ts';
import { complianceReport } from './compliance-report.ts';
import { consolePages } from './console.ts';
import { consoleLive } from './console-live.ts';
import { idle } from './idle.ts';
import { importUsers } from './import-users.ts';
import { introspect } from './introspect.ts';
import { latency } from './latency.ts';
import { login } from './login.ts';
import { loginStorm } from './login-storm.ts';
import { loginTiming } from './login-timing.ts';
import { mcpReads } from './mcp-reads.ts';
import { openTasks } from './open-tasks.ts';
import { peers } from './peers.ts';
import { phi } from './phi.ts';
import { progress } from './progress.ts';
import { rateLimits } from './rate-limits.ts';
import { refreshAgainstSigning, refreshGroupCommit, refreshInSequence, refreshPeer } from './refresh.ts';
import { revokeReach } from './revoke-reach.ts';
import { sessions } from './sessions.ts';
import { signalsReach } from './signals-reach.ts';
import { storage } from './storage.ts';
import { tracing } from './tracing.ts';
import { validateAlgorithms } from './validate-algorithms.ts';
import { validateFresh, validateRepeated } from './validate-http.ts';
import { verifierGo, verifierPython, verifierTypescript } from './verifiers.ts';
import { verifiersReach } from './verifiers-reach.ts';
import { verifyKey } from './verify-key.ts';
import { workers } from './workers.ts';

const benches: readonly Bench[] = [
  validateRepeated,
  validateFresh,
  validateAlgorithms,
  introspect,
  verifyKey,
  tracing,
  clientCredentials,
  clientPeer,
  peers,
  clientGroupCommit,
  clientAssertions,
  refreshAgainstSigning,
  refreshPeer,
  refreshGroupCommit,
  refreshInSequence,
  latency,
  rateLimits,
  caches,
  revokeReach,
  login,
  sessions,
  loginStorm,
  loginTiming,
  cleanup,
  workers,
  progress,
  mcpReads,
  openTasks,
  complianceReport,
  importUsers,
  backup,
  bridge,
  phi,
  storage,
  consolePages,
  consoleLive,
  idle,
  verifierTypescript,
  verifierPython,
  verifierGo,
  verifiersReach,
  signalsReach,
];

/** Parts measured alone, in their own files; they print their own lines. */
const parts: Readonly<Record<string, string>> = {
  hasher: 'the password hasher against raw bcrypt',
  instruments: 'one metric write',
  'span-hooks': 'the span hooks of one request',
  validate: 'validateToken without HTTP',
  revocation: 'the revocation set',
  audit: 'sealing the audit log',
};
const fileOf = (part: string): string => join(import.meta.dirname, `${part}.ts`);
const presentParts = Object.keys(parts).filter((part) => existsSync(fileOf(part)));

const help = `npm run bench -- [options]

Measures the running product against baselines on this machine and exits 1 when a figure misses its target.

  --only <name>     one bench or part, repeatable
  --rounds <n>      alternating rounds of every other ratio (3)
  --pairs <n>       alternating pairs of what compares the product with a peer or a bare route (9)
  --seconds <n>     seconds of one measured run (5)
  --json            the whole report on stdout instead of the table

Benches
${benches.map(({ name, about }) => `  ${name.padEnd(22)}${about}`).join('\n')}
Parts, run only when named (part:<name>)
${presentParts.map((part) => `  ${`part:${part}`.padEnd(22)}${parts[part]}`).join('\n')}
`;

class UsageError extends Error {}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most)
    throw new UsageError(`--${name} must be a whole number from ${least} to ${most}`);
  return value;
}

function options() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string', default: '3' },
      pairs: { type: 'string', default: '9' },
      seconds: { type: 'string', default: '5' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const only = values.only.flatMap((names) => names.split(','));
  const known = [...benches.map(({ name }) => name), ...presentParts.map((part) => `part:${part}`)];
  const unknown = only.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new UsageError(`no such bench: ${unknown.join(', ')}; there are ${known.join(', ')}`);
  return {
    help: values.help,
    json: values.json,
    only,
    rounds: wholeNumber('rounds', values.rounds, 1, 50),
    pairs: wholeNumber('pairs', values.pairs, 1, 50),
    seconds: wholeNumber('seconds', values.seconds, 1, 300),
  };
}

const say = (text: string): void => void process.stderr.write(`bench: ${text}\n`);

function runParts(names: readonly string[]): number {
  let failed = 0;
  for (const name of names) {
    say(`${name}: ${parts[name]}`);
    if (spawnSync(process.execPath, [fileOf(name)], { stdio: 'inherit' }).status !== 0) failed += 1;
  }
  return failed;
}

async function main(): Promise<number> {
  const { help: isHelp, json, only, rounds, pairs, seconds } = options();
  if (isHelp) {
    process.stdout.write(help);
    return 0;
  }
  const chosenParts = presentParts.filter((part) => only.includes(`part:${part}`));
  const chosen = benches.filter(({ name }) => only.length === 0 || only.includes(name));
  const failedParts = runParts(chosenParts);
  if (chosen.length === 0) return failedParts > 0 ? 1 : 0;

  const report = startReport(`npm run bench${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(' ')}` : ''}`);
  const context = new BenchContext({ rounds, pairs, seconds, say });
  let isStopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      isStopping = true;
      say('stopping');
      stopRunningProducts();
      void context.close().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
    });
  }
  const figures: (Figure & { bench: string })[] = [];
  const errors: { bench: string; error: string }[] = [];
  try {
    for (const bench of chosen) {
      say(`${bench.name}: ${bench.about}`);
      try {
        for (const figure of await bench.run(context)) {
          figures.push({ ...figure, bench: bench.name });
          say(`${figure.name}: ${shown(figure.value)} ${figure.unit}${isMet(figure) === false ? ' (MISSED)' : ''}`);
        }
      } catch (err) {
        // The signal's handler ends the process once everything is stopped; half a run is no report.
        if (isStopping) return await new Promise<never>(() => {});
        errors.push({ bench: bench.name, error: (err as Error).message });
        say(`${bench.name} failed: ${(err as Error).stack}`);
      }
    }
  } finally {
    await context.close();
  }
  const finished = report.finish(figures, errors, context.versions);
  const files = figures.length > 0 ? saveReport(finished, only) : [];
  if (json) process.stdout.write(`${JSON.stringify(finished, null, 2)}\n`);
  else process.stdout.write(`${textTable(finished)}\n\n${circumstances(finished).join('\n')}\n`);
  say(files.length > 0 ? `saved ${files.join(' and ')}` : 'nothing was measured, so nothing is saved');
  return failedParts > 0 || errors.length > 0 || finished.figures.some(({ met }) => met === false) ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (err) {
  const isUsage = err instanceof UsageError || (err as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`${isUsage ? `${(err as Error).message}\n\n${help}` : (err as Error).stack}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
