import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { decodeJwt } from 'jose';
import { modules } from '#services/modules.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { headOf, watchHeads } from './audit-log.ts';
import { cases } from './cases/all.ts';
import { GuaranteeViolated } from './cases/case.ts';
import { checkGates } from './evidence.ts';
import { allFaults, isOfStores, planFaults } from './faults/all.ts';
import { footprintOf, processesThatLeak, quietFootprint } from './footprint.ts';
import { type Finding, type Gate, isFailed } from './gates.ts';
import { floods, hangs, type Period, recoveries } from './gates-service.ts';
import { lateRefusals, retryStorms, sessionsAboveSetting } from './gates-stores.ts';
import { basicOf, createAsk } from './http.ts';
import { impactOf } from './impact.ts';
import { type CopyName, createLedger } from './ledger.ts';
import { type Clients, type Credentials, REASON } from './load/clients.ts';
import { type Receiver, startReceiver } from './load/hand-offs.ts';
import { createLoad } from './load/load.ts';
import { createAgents } from './load/surfaces/agents.ts';
import { createGrants } from './load/surfaces/grants.ts';
import { createHelpDesk } from './load/surfaces/help-desk.ts';
import { createSignOffs } from './load/surfaces/sign-offs.ts';
import { createApiKeys, createConsents, createHealthData } from './load/surfaces/table.ts';
import { signUp, tryToIssue, validate } from './load/tokens.ts';
import { exclusionOf, HELP, type Options, readOptions, rewindsOf, UsageError } from './options.ts';
import { createRandom } from './random.ts';
import { type FaultRun, jsonOf, markdownOf, type Report } from './report.ts';
import { rewindDatabase, type Scene } from './rewinds.ts';
import { settingsOf } from './settings.ts';
import { type StoreSample, sessionLimits, watchStores } from './store-watch.ts';
import { type Stopped, type System, startSystem } from './system.ts';

/** All that an administrator has: more than any surface asks for. */
const PERMISSIONS = modules
  .flatMap(({ permissions }) => permissions)
  .filter(({ roles }) => roles.includes('admin'))
  .map(({ name }) => name);
/** Copies learn of a client that the command line made. */
const LEARNING_MS = 2_000;
/** A busy machine turns sign-ups away. */
const SIGN_UP_MS = 120_000;

/** Makes the client that calls for the surfaces, by the command line. */
async function createClients(
  { sallyport: run }: Pick<System, 'sallyport'>,
  { client, admin }: Credentials,
  given: Pick<Clients, 'ledger' | 'ask' | 'random' | 'isStopping'>,
): Promise<Clients> {
  const sallyport = async (...args: readonly string[]): Promise<string> => {
    const { code, out, err } = await run([...args, '--reason', REASON, '--yes', '--json']);
    if (code !== 0) throw new Error(`sallyport ${args.join(' ')} ended with ${code}: ${err || out}`);
    return out;
  };
  const made = await sallyport('clients', 'create', 'Chaos', '--credential-scopes', ...PERMISSIONS);
  await sleep(LEARNING_MS);
  const clients: Clients = {
    ...given,
    issuer: basicOf(client),
    authorization: basicOf(JSON.parse(made)),
    admin: { ...admin, bearer: '' },
    newUser: async (...roles) => {
      const user = await eventually('a sign-up before the first fault', () => signUp(clients), SIGN_UP_MS);
      for (const role of roles) await sallyport('users', 'roles', user.id, '--grant', role);
      return user;
    },
  };
  return clients;
}

const WORK_MS = 100;
/** Takes this much processor time, and prints how long that took. */
const PROGRAM = `const from = performance.now();
const before = process.cpuUsage();
for (let used = { user: 0, system: 0 }; used.user + used.system < ${WORK_MS} * 1e3; used = process.cpuUsage(before));
process.stdout.write(String(performance.now() - from))`;

/**
 * How many times its processor time work takes on this machine now: 1 when nothing else wants the processor. A process
 * of its own measures it, with the priority that the product's processes have.
 */
async function measureStretch(): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', PROGRAM]);
  return Math.max(1, Number(stdout) / WORK_MS);
}

const FAULT_EVERY_MS = 10_000;
const SETTLE_MS = 10_000;
const AFTER_REWIND_MS = 2_000;
const MOMENT_MS = 1_000;
const GIVES_UP_MS = 90_000;
const HANGS_PER_FAULT = 3;
/** Clients try everything that was ended, all at once, while the database is replaced. */
const HANGS_OF_REWIND = 20;

const startedAtMs = performance.now();
const elapsed = (): number => Math.round((performance.now() - startedAtMs) / 1_000);
const say = (text: string): void => void process.stderr.write(`chaos ${String(elapsed()).padStart(4)} s: ${text}\n`);

async function start(env: Readonly<Record<string, string>>, { hasCluster }: Options): Promise<System> {
  const options = { hasCluster, env, say };
  // Its one fault leaves clocks alone.
  if (hasCluster) return startSystem({ hasClock: false, ...options });
  try {
    return await startSystem({ hasClock: true, ...options });
  } catch (err) {
    if (process.env.CI || !/libfaketime/.test((err as Error).message)) throw err;
    say(`NO CLOCK FAULTS: ${(err as Error).message}`);
    return startSystem({ hasClock: false, ...options });
  }
}

/**
 * Waits until both copies issue and validate tokens, authenticate a client, and have a worker.
 * @returns what they refused meanwhile, and how often
 */
async function untilServed({ system, clients, load }: Scene): Promise<string> {
  const { ask, ledger, authorization } = clients;
  const refused = new Map<string, number>();
  const isDone = (what: string, isHoped: boolean, said: unknown): boolean => {
    const name = `${what}: ${said}`;
    if (!isHoped) refused.set(name, (refused.get(name) ?? 0) + 1);
    return isHoped;
  };
  const request = { path: '/oauth2/token', form: { grant_type: 'client_credentials' }, headers: { authorization } };
  const serves = async (copy: CopyName): Promise<boolean> => {
    if (!isDone(`worker of ${copy}`, system.copies[copy].workerPid() !== undefined, 'none')) return false;
    const client = await ask(copy, request);
    if (!isDone(`client at ${copy}`, client.status === 200, client.body?.code ?? client.status)) return false;
    const { body, status } = await tryToIssue(clients, load.caseUser().id, copy);
    if (!isDone(`token at ${copy}`, status === 201, body?.code ?? status)) return false;
    const access = ledger.tokens.get(decodeJwt(body.access_token).jti!)!;
    const shown = await Promise.all((['A', 'B'] as const).map((at) => validate(clients, access, at)));
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

/** The guarantee that was violated; throws what is none. */
function violationOf(err: unknown): GuaranteeViolated {
  if (err instanceof GuaranteeViolated) return err;
  throw err;
}

type FaultRuns = {
  readonly faults: FaultRun[];
  readonly periods: Period[];
  /** Where the product did not recover as a fault says it must. */
  readonly findings: Finding[];
};

/** Does the work of a fault, waits until both copies serve, and measures how busy the machine is then. */
async function runFault(
  scene: Scene,
  { faults, periods, findings }: FaultRuns,
  about: Pick<Period, 'name' | 'hangs' | 'frozen' | 'isOfStores'>,
  work: () => Promise<string>,
): Promise<void> {
  const atSeconds = elapsed();
  const begin = performance.now();
  const moments: { fromMs: number; stretch: number; toMs: number }[] = [];
  const measure = async (fromMs = performance.now()) =>
    moments.push({ fromMs, stretch: await measureStretch(), toMs: performance.now() });
  const measuring = about.isOfStores ? setInterval(measure, MOMENT_MS) : undefined;
  const detail = await work().catch((err: unknown) => {
    const subject = violationOf(err);
    findings.push({ text: `${about.name} at ${atSeconds} s: ${subject.message}`, subject });
    return subject.message;
  });
  const endedAtMs = performance.now();
  const before = await measureStretch();
  const refused = await untilServed(scene);
  const servedAtMs = performance.now();
  clearInterval(measuring);
  const stretch = Math.max(before, await measureStretch());
  const period = { ...about, startedAtMs: begin, endedAtMs, servedAtMs, stretch, moments, refused };
  periods.push(period);
  const times = { lastedMs: endedAtMs - begin, backMs: servedAtMs - endedAtMs };
  const impact = impactOf(scene.clients.ledger, period);
  faults.push({ name: about.name, atSeconds, detail, ...times, stretch, impact });
}

async function runCases(scene: Scene): Promise<Gate[]> {
  const gates: Gate[] = [];
  for (const { name, needsClock, run: work } of cases) {
    if (needsClock && !scene.system.clock) continue;
    const violation = await work(scene).then(() => undefined, violationOf);
    const findings = violation === undefined ? [] : [{ text: violation.message, subject: violation }];
    say(`${findings.length === 0 ? 'held' : 'VIOLATED'}: ${name}`);
    gates.push({ name, checked: 1, findings });
  }
  return gates;
}

async function runFaults(scene: Scene, receiver: Receiver, options: Options): Promise<FaultRuns> {
  const { system, clients } = scene;
  const random = createRandom(options.seed);
  const wanted = allFaults.filter(
    ({ name, needs }) =>
      (options.faults?.includes(name) ?? true) &&
      (options.hasCluster ? needs === 'cluster' : !needs || system[needs] !== undefined),
  );
  const runs: FaultRuns = { faults: [], periods: [], findings: [] };
  const { seconds, times = Math.ceil((seconds * 1_000) / FAULT_EVERY_MS) } = options;
  const until = options.times ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1_000;
  for (const { fault, copy } of planFaults(wanted, random, times)) {
    if (performance.now() >= until) break;
    const next = performance.now() + FAULT_EVERY_MS;
    const { name, freezesApi, hangs: most = HANGS_PER_FAULT } = fault;
    say(`${name} (${copy})`);
    const about = { name, hangs: most, frozen: freezesApi ? [copy] : [], isOfStores: isOfStores(fault) };
    await runFault(scene, runs, about, () => fault.run({ system, clients, receiver, random, copy }));
    await sleep(Math.max(0, Math.min(next, until) - performance.now()));
  }
  for (const name of rewindsOf(options)) {
    say(name);
    const about = { name, hangs: HANGS_OF_REWIND, frozen: [], isOfStores: true };
    await runFault(scene, runs, about, () => rewindDatabase(scene, name).then(() => ''));
    await sleep(AFTER_REWIND_MS);
  }
  return runs;
}

async function run(options: Options): Promise<Report> {
  say(`seed ${options.seed}`);
  const random = createRandom(options.seed + 1);
  const ledger = createLedger();
  const stretch = await measureStretch();
  say(`work takes ${stretch.toFixed(1)} times its processor time on this machine now`);
  const receiver = await startReceiver(ledger, random);
  let started: System | undefined;
  // A terminal and npm both send it: the second must not cut the first one's work short.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      say(`${signal}: stopping`);
      void (started?.dispose() ?? Promise.resolve()).finally(() => process.exit(1));
    });
  const env = settingsOf(receiver.endpoint);
  const system = await start(env, options);
  started = system;
  const startedAt = new Date().toISOString();
  let stopped: Stopped;
  let report: Omit<Report, 'gates'> & { gates: Gate[] };
  try {
    const urls = { A: system.copies.A.url, B: system.copies.B.url };
    const credentials = JSON.parse(readFileSync(join(system.dataDir, 'dev-credentials.json'), 'utf8')) as Credentials;
    let isStopping = false;
    const given = { ledger, ask: createAsk(ledger, urls), random, isStopping: () => isStopping };
    const followedFrom = await system.stores.query<{ seq: number }>('SELECT max(seq)::int AS seq FROM audit_events');
    const clients = await createClients(system, credentials, given);
    const agents = createAgents(clients);
    const others = [createApiKeys, createConsents, createHealthData, createHelpDesk].map((create) => create(clients));
    const surfaces = [agents, createSignOffs(clients, agents), ...others, createGrants(clients, system.stores.query)];
    const load = createLoad(clients, options, surfaces);
    const scene: Scene = { system, clients, load };
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
    const duringMs = [loadedAtMs, performance.now()] as const;
    await stopWatchingStores();
    receiver.heal();
    await untilServed(scene);
    await load.settle();
    await sleep(2_000);
    await load.presentAllRevoked();
    await stopWatching();
    const stoppedMs = performance.now();
    const evidence = await checkGates(system, ledger, surfaces, followedFrom[0]?.seq ?? 0);
    await sleep(Math.max(0, stoppedMs + SETTLE_MS - performance.now()));
    const footprints = await quietFootprint(begin, () => footprintOf(system));
    const gates = [
      ...caseGates,
      ...evidence,
      recoveries(periods, findings),
      hangs(ledger, periods, duringMs),
      floods(ledger, periods, duringMs),
      lateRefusals(ledger, periods),
      sessionsAboveSetting(samples, periods, sessionLimits(env)),
      retryStorms(samples, periods, duringMs, sessionLimits(env)),
      processesThatLeak(footprints),
    ];
    report = { ...options, startedAt, stretch, gates, faults, counts: Object.fromEntries(ledger.counts), footprints };
  } finally {
    say('stopping');
    stopped = await system.dispose();
  }
  await receiver.stop();
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
