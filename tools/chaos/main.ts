import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import { startLegacyProvider } from '../testing/fakes/legacy-provider.ts';
import { headOf, watchHeads } from './audit-log.ts';
import { cases } from './cases/all.ts';
import { GuaranteeViolated } from './cases/case.ts';
import { checkGates } from './evidence.ts';
import { allFaults, isOfStores } from './faults/all.ts';
import { footprintOf, processesThatLeak, quietFootprint } from './footprint.ts';
import { type Finding, type Gate, isFailed } from './gates.ts';
import { floods, hangs, type Period, recoveries } from './gates-service.ts';
import { lateRefusals, retryStorms, sessionsAboveSetting, storeUse } from './gates-stores.ts';
import { createAsk } from './http.ts';
import { impactOf } from './impact.ts';
import { type CopyName, createLedger } from './ledger.ts';
import { type Credentials, createClients } from './load/clients.ts';
import { createLoad } from './load/load.ts';
import { type Receiver, startReceiver } from './load/receiver.ts';
import { createSurfaces } from './load/surfaces/all.ts';
import { giveUpLogoutTokens } from './load/surfaces/queues.ts';
import { fillMinuteOfSignals } from './load/surfaces/signal-bounds.ts';
import { createTools } from './load/surfaces/tools.ts';
import { createTransmitter } from './load/transmitter.ts';
import { exclusionOf, HELP, type Options, readOptions, rewindsOf, UsageError } from './options.ts';
import { createRandom } from './random.ts';
import { type FaultRun, jsonOf, markdownOf, type Report } from './report.ts';
import { rewindDatabase, type Scene } from './rewinds.ts';
import { planFaults } from './schedule.ts';
import { settingsOf } from './settings.ts';
import { type StoreSample, sessionLimits, watchStores } from './store-watch.ts';
import { measureStretch } from './stretch.ts';
import { type Stopped, type System, startSystem } from './system.ts';

const FAULT_EVERY_MS = 10_000;
const SETTLE_MS = 10_000;
const startedAtMs = performance.now();
const elapsed = (): number => Math.round((performance.now() - startedAtMs) / 1_000);
const say = (text: string): void => void process.stderr.write(`chaos ${String(elapsed()).padStart(4)} s: ${text}\n`);

async function start(env: Readonly<Record<string, string>>, { hasCluster, hasReplica }: Options): Promise<System> {
  // Its one fault leaves clocks alone.
  if (hasCluster) return startSystem({ hasClock: false, hasCluster, hasReplica: false, env, say });
  try {
    return await startSystem({ hasClock: true, hasCluster, hasReplica, env, say });
  } catch (err) {
    if (process.env.CI || !/libfaketime/.test((err as Error).message)) throw err;
    say(`NO CLOCK FAULTS: ${(err as Error).message}`);
    return startSystem({ hasClock: false, hasCluster, hasReplica, env, say });
  }
}

const GIVES_UP_MS = 90_000;

/**
 * Waits until both copies issue and validate tokens, authenticate a client, and have a worker.
 * @returns what they refused meanwhile, and how often
 */
async function untilServed({ system, clients, load, authorization }: Scene): Promise<string> {
  const form = { grant_type: 'client_credentials' };
  const refused = new Map<string, number>();
  const isDone = (what: string, isHoped: boolean, said: unknown): boolean => {
    const name = `${what}: ${said}`;
    if (!isHoped) refused.set(name, (refused.get(name) ?? 0) + 1);
    return isHoped;
  };
  const serves = async (copy: CopyName): Promise<boolean> => {
    if (!isDone(`worker of ${copy}`, system.copies[copy].workerPid() !== undefined, 'none')) return false;
    const client = await clients.ask(copy, { path: '/oauth2/token', form, headers: { authorization } });
    if (!isDone(`client at ${copy}`, client.status === 200, client.body?.code ?? client.status)) return false;
    const { body, status } = await clients.tryToIssue(load.caseUser().id, copy);
    if (!isDone(`token at ${copy}`, status === 201, body?.code ?? status)) return false;
    const access = clients.ledger.tokens.get(decodeJwt(body.access_token).jti!)!;
    const shown = await Promise.all((['A', 'B'] as const).map((at) => clients.validate(access, at)));
    return shown.every((said) => isDone(`token of ${copy} shown`, said === 'active', said));
  };
  const from = performance.now();
  while (performance.now() - from < GIVES_UP_MS) {
    const served = await Promise.all([serves('A'), serves('B')]);
    if (served.every(Boolean)) break;
    await sleep(100);
  }
  return [...refused].map(([name, times]) => `${times} × ${name}`).join(', ');
}

const HANGS_PER_FAULT = 3;

/** Does the work of a fault, waits until both copies serve, and measures how busy the machine is then. */
async function period<T>(
  scene: Scene,
  {
    name,
    hangs = HANGS_PER_FAULT,
    frozen = [],
    isOfStores: isTheirs = true,
  }: Pick<Period, 'name'> & Partial<Pick<Period, 'hangs' | 'frozen' | 'isOfStores'>>,
  work: () => Promise<T>,
): Promise<{ readonly done: T; readonly period: Period }> {
  const startedAtMs = performance.now();
  const done = await work();
  const endedAtMs = performance.now();
  const before = await measureStretch();
  const refused = await untilServed(scene);
  const servedAtMs = performance.now();
  const stretch = Math.max(before, await measureStretch());
  const times = { startedAtMs, endedAtMs, servedAtMs, stretch };
  return { done, period: { name, hangs, frozen, isOfStores: isTheirs, ...times, refused } };
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

type FaultRuns = {
  readonly faults: FaultRun[];
  readonly periods: readonly Period[];
  /** Where the product did not recover as a fault says it must. */
  readonly findings: readonly Finding[];
};

async function runFaults(scene: Scene, receiver: Receiver, options: Options): Promise<FaultRuns> {
  const { system, clients, authorization } = scene;
  const random = createRandom(options.seed);
  const wanted = allFaults.filter(
    ({ name, needs }) =>
      (options.faults?.includes(name) ?? true) &&
      (options.hasCluster ? needs === 'cluster' : !needs || scene.system[needs] !== undefined),
  );
  const faults: FaultRun[] = [];
  const periods: Period[] = [];
  const findings: Finding[] = [];
  const { seconds, times = Math.ceil((seconds * 1_000) / FAULT_EVERY_MS) } = options;
  const until = options.times ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1_000;
  for (const { fault, copy } of planFaults(wanted, random, times)) {
    if (performance.now() >= until) break;
    const next = performance.now() + FAULT_EVERY_MS;
    const { name, freezesApi, hangs = HANGS_PER_FAULT } = fault;
    const atSeconds = elapsed();
    say(`${name} (${copy})`);
    const about = { name, hangs, frozen: freezesApi ? [copy] : [], isOfStores: isOfStores(fault) };
    const { done, period: was } = await period(scene, about, () =>
      fault.run({ ...{ system, clients, authorization }, receiver, random, copy }).catch((err: unknown) => {
        if (!(err instanceof GuaranteeViolated)) throw err;
        findings.push({ text: `${name} at ${atSeconds} s: ${err.message}`, subject: err });
        return err.message;
      }),
    );
    const [lastedMs, backMs] = [was.endedAtMs - was.startedAtMs, was.servedAtMs - was.endedAtMs];
    faults.push({
      name,
      atSeconds,
      detail: done,
      lastedMs,
      backMs,
      stretch: was.stretch,
      impact: impactOf(scene.clients.ledger, was),
    });
    periods.push(was);
    await sleep(Math.max(0, Math.min(next, until) - performance.now()));
  }
  for (const kind of rewindsOf(options)) {
    say(kind);
    const atSeconds = elapsed();
    const { period: was } = await period(scene, { name: kind, hangs: HANGS_OF_REWIND }, () =>
      rewindDatabase(scene, kind),
    );
    periods.push(was);
    const [lastedMs, backMs] = [was.endedAtMs - was.startedAtMs, was.servedAtMs - was.endedAtMs];
    const impact = impactOf(scene.clients.ledger, was);
    faults.push({ name: kind, atSeconds, detail: '', lastedMs, backMs, stretch: was.stretch, impact });
    await sleep(2_000);
  }
  return { faults, periods, findings };
}

/** Clients try everything that was ended, all at once, while the database is replaced. */
const HANGS_OF_REWIND = 20;

async function run(options: Options): Promise<Report> {
  say(`seed ${options.seed}`);
  const random = createRandom(options.seed + 1);
  const ledger = createLedger();
  const stretch = await measureStretch();
  say(`work takes ${stretch.toFixed(1)} times its processor time on this machine now`);
  const transmitter = await createTransmitter();
  const receiver = await startReceiver(ledger, random, transmitter.jwks);
  const provider = await startLegacyProvider();
  let started: System | undefined;
  // A terminal and npm both send it: the second must not cut the first one's work short.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      say(`${signal}: stopping`);
      void (started?.dispose() ?? Promise.resolve()).finally(() => process.exit(1));
    });
  const env = settingsOf(receiver, provider);
  const system = await start(env, options);
  started = system;
  const startedAt = new Date().toISOString();
  let stopped: Stopped;
  let report: Omit<Report, 'gates'> & { gates: Gate[] };
  try {
    const urls = { A: system.copies.A.url, B: system.copies.B.url };
    const credentials = JSON.parse(readFileSync(join(system.dataDir, 'dev-credentials.json'), 'utf8')) as Credentials;
    let isStopping = false;
    const clients = createClients(ledger, createAsk(ledger, urls), credentials, random, () => isStopping);
    const followedFrom = await system.stores.query<{ seq: number }>('SELECT max(seq)::int AS seq FROM audit_events');
    const tools = await createTools(system, clients, random, () => isStopping);
    const giveUp = giveUpLogoutTokens(system.stores);
    const fillMinute = fillMinuteOfSignals(system.stores);
    const outside = { mcpUrl: system.mcpUrl, provider, receiver, transmitter, giveUp, fillMinute };
    const load = createLoad(clients, random, options, createSurfaces(tools, outside));
    const scene: Scene = { system, clients, load, authorization: tools.authorization };
    await load.prepare();
    const stopWatching = watchHeads(ledger, (copy) => headOf(urls[copy]));
    say('both copies serve');

    const caseGates = options.hasCases ? await runCases(scene) : [];
    const samples: StoreSample[] = [];
    const stopWatchingStores = watchStores(system, samples);
    const loadedAtMs = performance.now();
    load.start();
    await sleep(SETTLE_MS);
    const begin = await footprintOf(system);
    const { faults, periods, findings } = await runFaults(scene, receiver, options);
    say('faults are over');
    isStopping = true;
    await load.stop();
    const endedAtMs = performance.now();
    await stopWatchingStores();
    receiver.heal();
    await untilServed(scene);
    await load.refreshAllLive();
    await load.settleSurfaces();
    await sleep(2_000);
    await load.presentAllRevoked();
    await stopWatching();
    const stoppedMs = performance.now();
    const evidence = await checkGates(system, ledger, followedFrom[0]?.seq ?? 0);
    await sleep(Math.max(0, stoppedMs + SETTLE_MS - performance.now()));
    const footprints = await quietFootprint(begin, () => footprintOf(system));
    const service = [
      recoveries(periods, findings),
      hangs(ledger, periods, [loadedAtMs, endedAtMs]),
      floods(ledger, periods, [loadedAtMs, endedAtMs]),
      lateRefusals(ledger, periods),
      sessionsAboveSetting(samples, periods, sessionLimits(env)),
      retryStorms(samples, periods, [loadedAtMs, endedAtMs], sessionLimits(env)),
    ];
    const used = faults.map((fault, at) => ({
      ...fault,
      stores: storeUse(samples, periods, at, [loadedAtMs, endedAtMs]),
    }));
    const gates = [...caseGates, ...evidence, ...service, processesThatLeak(footprints)];
    report = {
      ...options,
      startedAt,
      stretch,
      gates,
      faults: used,
      counts: Object.fromEntries(ledger.counts),
      footprints,
    };
  } finally {
    say('stopping');
    stopped = await system.dispose();
  }
  await receiver.stop();
  await provider.close();
  report.gates.push({
    name: 'processes left after the stop',
    checked: stopped.seen,
    findings: stopped.left.map((process) => ({ text: `process ${process} lives on` })),
  });
  return { ...report, gates: report.gates.map((gate) => ({ ...gate, ...exclusionOf(gate.name, options) })) };
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
