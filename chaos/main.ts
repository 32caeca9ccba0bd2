import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { headOf, watchHeads } from './audit-log.ts';
import { cases } from './cases/all.ts';
import { GuaranteeViolated } from './cases/case.ts';
import { checkGates } from './evidence.ts';
import { allFaults } from './faults/all.ts';
import { footprintOf, processesThatLeak, quietFootprint } from './footprint.ts';
import type { Finding, Gate } from './gates.ts';
import { createAsk } from './http.ts';
import { createLedger } from './ledger.ts';
import { type Credentials, createClients } from './load/clients.ts';
import { createLoad } from './load/load.ts';
import { HELP, type Options, readOptions, rewindsOf, UsageError } from './options.ts';
import { createRandom, type Random } from './random.ts';
import { type FaultRun, isFailed, jsonOf, markdownOf, type Report } from './report.ts';
import { rewindDatabase, type Scene } from './rewinds.ts';
import { planFaults } from './schedule.ts';
import { type Stopped, type System, startSystem } from './system.ts';

const FAULT_EVERY_MS = 10_000;
const SETTLE_MS = 10_000;
const startedAtMs = performance.now();
const elapsed = (): number => Math.round((performance.now() - startedAtMs) / 1_000);
const say = (text: string): void => void process.stderr.write(`chaos ${String(elapsed()).padStart(4)} s: ${text}\n`);

async function start(): Promise<System> {
  try {
    return await startSystem({ hasClock: true, say });
  } catch (err) {
    if (process.env.CI || !/libfaketime/.test((err as Error).message)) throw err;
    say(`NO CLOCK FAULTS: ${(err as Error).message}`);
    return startSystem({ hasClock: false, say });
  }
}

/** How long until a client is served by both copies. */
async function untilServed(scene: Scene): Promise<number> {
  const from = performance.now();
  for (;;) {
    const family = await scene.clients.issue(scene.load.caseUser().id);
    const access = family?.access.at(-1);
    if (access) {
      const results = await Promise.all([scene.clients.validate(access, 'A'), scene.clients.validate(access, 'B')]);
      if (results.every((result) => result === 'active')) return performance.now() - from;
    }
    if (performance.now() - from > 90_000) return performance.now() - from;
    await sleep(100);
  }
}

async function runCases(scene: Scene): Promise<Gate[]> {
  const gates: Gate[] = [];
  for (const each of cases) {
    if (each.needsClock && !scene.system.clock) continue;
    gates.push(await runCase(each.name, () => each.run(scene)));
  }
  return gates;
}

async function runCase(name: string, work: () => Promise<void>): Promise<Gate> {
  try {
    await work();
    say(`held: ${name}`);
    return { name, checked: 1, findings: [] };
  } catch (err) {
    if (!(err instanceof GuaranteeViolated)) throw err;
    say(`VIOLATED: ${name}: ${err.message}`);
    return { name, checked: 1, findings: [{ text: err.message, subject: err }] };
  }
}

type FaultRuns = { readonly faults: FaultRun[]; readonly recovered: Gate };

async function runFaults(scene: Scene, random: Random, options: Options): Promise<FaultRuns> {
  const wanted = allFaults.filter(
    ({ name, needs }) => (options.faults?.includes(name) ?? true) && (!needs || scene.system[needs] !== undefined),
  );
  const runs: FaultRun[] = [];
  const findings: Finding[] = [];
  const until = performance.now() + options.seconds * 1_000;
  for (const { fault, copy } of planFaults(wanted, random, Math.ceil((options.seconds * 1_000) / FAULT_EVERY_MS))) {
    if (performance.now() >= until) break;
    const next = performance.now() + FAULT_EVERY_MS;
    const atSeconds = elapsed();
    say(`${fault.name} (${copy})`);
    const startedMs = performance.now();
    const detail = await fault.run({ system: scene.system, random, copy }).catch((err: unknown) => {
      if (!(err instanceof GuaranteeViolated)) throw err;
      findings.push({ text: `${fault.name} at ${atSeconds} s: ${err.message}`, subject: err });
      return err.message;
    });
    const lastedMs = performance.now() - startedMs;
    runs.push({ name: fault.name, atSeconds, detail, lastedMs, backMs: await untilServed(scene) });
    await sleep(Math.max(0, Math.min(next, until) - performance.now()));
  }
  return { faults: runs, recovered: { name: 'recovery after every fault', checked: runs.length, findings } };
}

async function run(options: Options): Promise<Report> {
  say(`seed ${options.seed}`);
  const random = createRandom(options.seed);
  const ledger = createLedger();
  let started: System | undefined;
  // A terminal and npm both send it: the second must not cut the first one's work short.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      say(`${signal}: stopping`);
      void (started?.dispose() ?? Promise.resolve()).finally(() => process.exit(1));
    });
  const system = await start();
  started = system;
  const startedAt = new Date().toISOString();
  let stopped: Stopped;
  let report: Omit<Report, 'gates'> & { gates: Gate[] };
  try {
    const urls = { A: system.copies.A.url, B: system.copies.B.url };
    const credentials = JSON.parse(readFileSync(join(system.dataDir, 'dev-credentials.json'), 'utf8')) as Credentials;
    let isStopping = false;
    const clients = createClients(ledger, createAsk(ledger, urls), credentials, random, () => isStopping);
    const load = createLoad(clients, random, options);
    const scene: Scene = { system, clients, load };
    await load.prepare();
    const stopWatching = watchHeads(ledger, (copy) => headOf(urls[copy]));
    say('both copies serve');

    const caseGates = options.hasCases ? await runCases(scene) : [];
    load.start();
    await sleep(SETTLE_MS);
    const begin = await footprintOf(system);
    const { faults, recovered } = await runFaults(scene, random, options);
    for (const kind of rewindsOf(options)) {
      say(kind);
      await rewindDatabase(scene, kind);
      await sleep(2_000);
    }
    say('faults are over');
    isStopping = true;
    await load.stop();
    await untilServed(scene);
    await load.refreshAllLive();
    await sleep(2_000);
    await load.presentAllRevoked();
    await stopWatching();
    const stoppedMs = performance.now();
    const evidence = await checkGates(system, ledger);
    await sleep(Math.max(0, stoppedMs + SETTLE_MS - performance.now()));
    const footprints = await quietFootprint(begin, () => footprintOf(system));
    const gates = [...caseGates, ...evidence, recovered, processesThatLeak(footprints)];
    report = { ...options, startedAt, gates, faults, counts: Object.fromEntries(ledger.counts), footprints };
  } finally {
    say('stopping');
    stopped = await system.dispose();
  }
  report.gates.push({
    name: 'processes left after the stop',
    checked: stopped.seen,
    findings: stopped.left.map((process) => ({ text: `process ${process} lives on` })),
  });
  return report;
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(HELP);
    return;
  }
  const report = await run(options);
  const markdown = markdownOf(report);
  if (options.report) writeFileSync(options.report, markdown);
  process.stdout.write(options.isJson ? `${jsonOf(report)}\n` : markdown);
  const broken = report.gates.filter(isFailed);
  if (broken.length === 0) return say(`held: ${report.gates.length} gates, seed ${options.seed}`);
  say(`VIOLATED with seed ${options.seed}: ${broken.map(({ name }) => name).join('; ')}`);
  process.exitCode = 1;
}

try {
  await main();
} catch (err) {
  process.stderr.write(`chaos: ${err instanceof UsageError ? err.message : (err as Error).stack}\n`);
  process.exitCode = err instanceof UsageError ? 2 : 1;
}
process.exit();
