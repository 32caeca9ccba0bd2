import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { migrationStates } from '#services/platform/postgres/migrate.ts';
import { eventually } from '#tools/testing/eventually.ts';
import type { ClientCredentials } from '#tools/testing/http-client.ts';
import { type Child, type Children, createChildren, eventually as started, startRole } from '../stack/children.ts';
import { exchange } from './rehearsal-exchange.ts';
import { type Asking, createAsking, type LiveCopy, type Person, type Seen, startLoad } from './rehearsal-load.ts';
import { permissionsOf } from './rehearsal-wings.ts';

/** A version of the product, and where its code is. */
type Version = { readonly version: string; readonly code: string };

export type RehearsalOptions = {
  /** The release that is in use. */
  readonly before: Version;
  /** The one that replaces it. */
  readonly after: Version;
  /** An empty database, an empty Redis and an empty folder. */
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly dataDir: string;
  /** Users who are signed in all the time. */
  readonly users: number;
  /** Refreshes under load before the next step begins. */
  readonly refreshesPerStep: number;
  readonly say: (text: string) => void;
};

type Step = { readonly name: string; readonly seconds: number; readonly requests: number };

export type Rehearsal = {
  readonly before: string;
  readonly after: string;
  readonly steps: readonly Step[];
  /** Migrations that the upgrade applied, and those that the rollback took back and kept. */
  readonly applied: readonly string[];
  readonly reverted: readonly string[];
  readonly kept: readonly string[];
  /** What each version wrote and the other one read. */
  readonly exchanged: readonly string[];
  readonly seen: Seen;
};

const OUTPUT_MAX = 64_000_000;
/** Of the log of each copy, if something was refused. */
const LOG_KEPT = 4_000;

const run = promisify(execFile);

type Copy = LiveCopy & { readonly child: Child };
type Running = { readonly copies: readonly Copy[]; readonly others: readonly Child[] };

/** The MCP server of a version, in a process of its own, and its address, which its clients may use too. */
export async function startMcp(children: Children, { version, code }: Version, env: Record<string, string>) {
  const [port, metrics] = await Promise.all([randomFreePort(), randomFreePort()]);
  const mcp = `http://127.0.0.1:${port}`;
  const own = { ...env, MCP_PORT: String(port), METRICS_PORT: String(metrics), MCP_URL: `${mcp}/mcp` };
  const child = startRole(children, `mcp ${version}`, 'mcp', own, code);
  await started(`${child.name} to be ready`, () => fetch(`${mcp}/readyz`).then(({ ok }) => ok), child);
  return { child, mcp };
}

function createSystem(options: RehearsalOptions, asking: Asking, publicUrl: string) {
  const { databaseUrl, redisUrl, dataDir } = options;
  const children = createChildren(() => undefined);
  const live: Copy[] = [];
  const env = {
    ...{ DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, SALLYPORT_DATA_DIR: dataDir, BETTER_AUTH_URL: publicUrl },
    ...{ RATE_LIMIT_PROFILE: 'load', HASHER_CHILDREN: '1', HASH_QUEUE: '64', LOG_LEVEL: 'warn' },
    // The load checks that revocations arrive in two seconds: a busy machine alone must not make a copy refuse tokens.
    REVOCATION_STALENESS_MS: '10000',
  };
  let copies = 0;

  async function end(child: Child): Promise<void> {
    child.process.kill('SIGTERM');
    await started(`${child.name} to end`, () => child.process.exitCode !== null || child.process.signalCode !== null);
    if (child.process.exitCode !== 0)
      throw new Error(`${child.name} ended with ${child.process.exitCode}:\n${child.output().slice(-3_000)}`);
  }

  async function startCopy({ version, code }: Version, mcp: string): Promise<Copy> {
    copies += 1;
    const [port, metrics] = await Promise.all([randomFreePort(), randomFreePort()]);
    const own = { ...env, PORT: String(port), METRICS_PORT: String(metrics) };
    const name = `api ${version} (${copies})`;
    const child = startRole(children, name, 'api', own, code);
    const url = `http://127.0.0.1:${port}`;
    await started(`${name} to be ready`, () => fetch(`${url}/readyz`).then(({ ok }) => ok), child);
    return { version, url, mcp, child };
  }

  return {
    live,
    stop: () => children.stop(),
    /** Brings the database to a version, as its deploy does. */
    async migrate({ version, code }: Version): Promise<void> {
      const child = startRole(children, `migrate ${version}`, 'migrate', env, code);
      await started(`${version} to migrate`, () => child.process.exitCode === 0, child);
    },
    /** Starts copies of a version beside those that serve, and lets requests reach them. */
    async start(version: Version, count: number): Promise<Running> {
      const { child, mcp } = await startMcp(children, version, env);
      const copies = await Promise.all(Array.from({ length: count }, () => startCopy(version, mcp)));
      const own = { ...env, METRICS_PORT: String(await randomFreePort()) };
      const worker = startRole(children, `worker ${version.version}`, 'worker', own, version.code);
      live.push(...copies);
      return { copies, others: [worker, child] };
    },
    /** Ends them as a balancer does: no new request, then the drain. */
    async end({ copies: ending, others }: Running): Promise<void> {
      for (const copy of ending) {
        live.splice(live.indexOf(copy), 1);
        await eventually(`the last answer of ${copy.url}`, () => asking.isIdle(copy.url));
        await end(copy.child);
      }
      for (const other of others) await end(other);
    },
    /** A verb of a version's own command. @returns what it prints as JSON */
    // biome-ignore lint/suspicious/noExplicitAny: read as a script reads it
    async command({ code }: Version, ...args: readonly string[]): Promise<any> {
      const { PATH = '', HOME = '' } = process.env;
      const { stdout } = await run(join(code, 'node_modules/.bin/node'), ['cli/main.ts', ...args, '--json', '--yes'], {
        cwd: code,
        maxBuffer: OUTPUT_MAX,
        env: { PATH, HOME, ...env, SALLYPORT_ENV_FILE: '' },
      }).catch((err: Error & { stdout?: string; stderr?: string }) => {
        throw new Error(`sallyport ${args.join(' ')}: ${err.stderr ?? ''} ${(err.stdout ?? '').slice(0, 1_000)}`);
      });
      return JSON.parse(stdout);
    },
  };
}

type System = ReturnType<typeof createSystem>;

/** Faults of the stored data as this version's own commands find them. */
async function verifyData(system: System, version: Version): Promise<void> {
  await system.command(version, 'audit', 'verify');
  await system.command(version, 'integrity', 'check');
}

/**
 * The rehearsal of an upgrade with the real code of both versions on one database, under load: the release before serves;
 * the new version migrates, serves beside it and replaces it; then back, and there again. Each reads what the other wrote.
 * The result says what was refused; nothing should be.
 * @throws if a version does not start, migrate, end or go back, or cannot read what the other wrote
 */
export async function rehearse(options: RehearsalOptions): Promise<Rehearsal> {
  const { before, after, refreshesPerStep, say } = options;
  const publicUrl = `http://127.0.0.1:${await randomFreePort()}`;
  const asking = createAsking();
  const { seen } = asking;
  const system = createSystem(options, asking, publicUrl);
  const steps: Step[] = [];
  const exchanged = new Set<string>();
  const people: Person[] = [];
  let load: ReturnType<typeof startLoad> | undefined;

  async function step(name: string, work: () => Promise<void>): Promise<void> {
    say(`${name} …`);
    const [startedMs, requests] = [performance.now(), seen.requests];
    await work();
    await load?.more(refreshesPerStep);
    const seconds = Math.round((performance.now() - startedMs) / 10) / 100;
    steps.push({ name, seconds, requests: seen.requests - requests });
    if (seen.failures.length > 0) throw new Refused();
  }
  async function handOver(from: LiveCopy, to: LiveCopy): Promise<void> {
    const version = from.version === after.version ? after : before;
    const command = (...args: readonly string[]) => system.command(version, ...args);
    const scopes = await permissionsOf(options.databaseUrl);
    const named = ['rehearsal', '--reason', 'rehearsal', '--audiences', '*', '--credential-scopes', ...scopes];
    const admin = await command('clients', 'create', ...named);
    const { kept, names } = await exchange(asking, from, to, { origin: publicUrl, admin, command });
    people.push(kept);
    for (const name of names) exchanged.add(name);
  }
  async function bothWays(old: Running, now: Running): Promise<void> {
    await handOver(now.copies[0]!, old.copies[0]!);
    await handOver(old.copies[0]!, now.copies[0]!);
  }
  const migrationsOf = async (): Promise<string[]> =>
    (await migrationStates(options.databaseUrl)).filter(({ state }) => state !== 'pending').map(({ name }) => name);

  const applied: string[] = [];
  let rolledBack = { reverted: [] as string[], kept: [] as string[] };
  try {
    let old!: Running;
    let now!: Running;
    await step(`install ${before.version}`, async () => {
      await system.migrate(before);
      old = await system.start(before, 2);
      const credentials = JSON.parse(readFileSync(join(options.dataDir, 'dev-credentials.json'), 'utf8')) as {
        client: ClientCredentials;
      };
      load = startLoad(asking, system.live, credentials.client, options.users);
    });
    await step(`migrate to ${after.version}`, async () => {
      const held = new Set(await migrationsOf());
      await system.migrate(after);
      applied.push(...(await migrationsOf()).filter((name) => !held.has(name)));
    });
    await step(`${after.version} beside ${before.version}`, async () => {
      now = await system.start(after, 2);
      await bothWays(old, now);
    });
    await step(`${after.version} alone`, async () => system.end(old));
    await step(`${before.version} beside ${after.version}`, async () => {
      old = await system.start(before, 2);
      await bothWays(old, now);
      await system.end(now);
    });
    await step(`back to ${before.version}`, async () => {
      const { reverted, kept } = await system.command(after, 'rollback', before.version);
      rolledBack = { reverted, kept };
      await handOver(old.copies[0]!, old.copies[1]!);
      await verifyData(system, before);
    });
    await step(`migrate to ${after.version} again`, async () => system.migrate(after));
    await step(`${after.version} beside ${before.version} again`, async () => {
      now = await system.start(after, 2);
      await bothWays(old, now);
    });
    await step(`${after.version} alone again`, async () => {
      await system.end(old);
      for (const person of people) {
        await asking.session(now.copies[0]!, person);
        await asking.validate(now.copies[1]!, person.access);
        await asking.refresh(now.copies[0]!, person);
      }
    });
    await load?.stop();
    say('verifying the log and the data …');
    const { dead } = await system.command(after, 'queue', 'list');
    for (const { queue, job, code } of dead) seen.failures.push(`a job failed: ${queue} ${job} ${code}`);
    await verifyData(system, after);
  } catch (err) {
    if (!(err instanceof Refused) && seen.failures.length === 0) throw err;
    if (!(err instanceof Refused) && !seen.failures.includes((err as Error).message))
      seen.failures.push((err as Error).message);
    for (const { version, child } of system.live) say(`${version} wrote:\n${child.output().slice(-LOG_KEPT)}`);
  } finally {
    await load?.stop();
    await system.stop();
  }
  return {
    before: before.version,
    after: after.version,
    steps,
    applied,
    ...rolledBack,
    exchanged: [...exchanged],
    seen,
  };
}

/** Something was refused: the rest of the rehearsal would say nothing new. */
class Refused extends Error {}
