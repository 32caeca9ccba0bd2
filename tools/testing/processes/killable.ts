// For tests only: the work of a job, which dies at any statement.
import { fork } from 'node:child_process';
import { randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { createPatientPool, createTestPorts, PATIENCE_MS } from '../harness/ports.ts';
import { childEnv } from './child-env.ts';
import { dieAt, dieOfPool, type KillPoint } from './kill-points.ts';
import { type WorkAnswer, type WorkOptions, works } from './works.ts';

/** Waits until no session of this name runs a statement in the database. */
export async function sessionsEnded(databaseUrl: string, applicationName: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const deadline = performance.now() + PATIENCE_MS;
    const sessions = 'SELECT FROM pg_stat_activity WHERE application_name = $1';
    while ((await client.query(sessions, [applicationName])).rowCount !== 0) {
      if (performance.now() > deadline) throw new Error(`a session of ${applicationName} does not end`);
      await sleep(1);
    }
  } finally {
    await client.end();
  }
}

/** What was promised, or an error when it takes longer than a test waits for anything. */
export async function inPatience<T>(what: string, promised: Promise<T>): Promise<T> {
  const late = new AbortController();
  const timeout = sleep(PATIENCE_MS, undefined, { signal: late.signal }).then(() => {
    throw new Error(`${what} neither ended nor died in ${PATIENCE_MS / 1_000} s`);
  });
  try {
    return await Promise.race([promised, timeout]);
  } finally {
    late.abort();
    timeout.catch(() => {});
  }
}

const atPoint = ({ work, killPoint: point }: WorkOptions): string =>
  point ? `${work}, killed ${point.moment} statement ${point.statement},` : work;

const portsOptions = ({ keyEncryptionKey: key }: WorkOptions) =>
  key === undefined ? {} : { keyEncryptionKey: Buffer.from(key, 'base64') };

/**
 * Runs the work in a process of its own. Null: it was killed with `kill -9`, and none of its statements runs in the
 * database.
 */
async function runKillable(options: WorkOptions): Promise<WorkAnswer | null> {
  const child = fork(fileURLToPath(import.meta.url), {
    execArgv: [],
    env: { ...childEnv(), KILLABLE_WORK: JSON.stringify(options) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let answer: WorkAnswer | null = null;
  child.on('message', (message: WorkAnswer) => {
    answer = message;
  });
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const [code, signal] = await inPatience(atPoint(options), exit).finally(() => child.kill('SIGKILL'));
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the process ended with ${signal ?? code}`);
  if (signal === 'SIGKILL') await sessionsEnded(options.url, sessionName(child.pid!));
  return answer;
}

const sessionName = (id: number | string): string => `killable-${id}`;

/**
 * Runs the work in this process, on connections of its own. Null: it died with them, and none of its statements runs
 * in the database.
 */
export async function runMortal(options: WorkOptions): Promise<WorkAnswer | null> {
  const applicationName = sessionName(randomUUID());
  const pool = createPatientPool({ url: options.url, connections: 8, applicationName });
  const { statements, death } = dieOfPool(pool, options.killPoint ?? null);
  const ports = createTestPorts(options.url, { ...portsOptions(options), pool });
  const done = await works[options.work]();
  const restoreClock = moveClock(options.clockOffsetMs ?? 0);
  const answered = done(ports, options).then((answer) => ({ statements: statements(), ...answer }));
  const ended = Promise.race([answered, death.then(() => null)]);
  const answer = await inPatience(atPoint(options), ended).finally(restoreClock);
  if (answer === null) await sessionsEnded(options.url, applicationName);
  else await ports.end();
  return answer;
}

type KilledRun = {
  readonly killPoint: KillPoint & { readonly dies: 'connection' | 'process' };
  run(): Promise<WorkAnswer | null>;
};

/**
 * Work that does something outside the database between two statements. Of all other work, what is left by a death
 * after a statement is what is left by a death before the next one.
 */
const actsOutside: ReadonlySet<WorkOptions['work']> = new Set(['deliver', 'logout']);

/**
 * Runs of the work that die before its first statement, its second … (then after each of them, where that is something
 * else), until one comes to its end: its answer is not null. They lose their connections, which is all that the
 * database sees of a death. As proof, the last run is a process, killed at a statement that chance chooses.
 */
export async function* killedEverywhere(options: Omit<WorkOptions, 'killPoint'>): AsyncGenerator<KilledRun> {
  let statements = 0;
  for (const moment of actsOutside.has(options.work) ? (['before', 'after'] as const) : (['before'] as const)) {
    let isOver = false;
    for (let statement = 1; !isOver; statement += 1) {
      const run = async (): Promise<WorkAnswer | null> => {
        const answer = await runMortal({ ...options, killPoint: { statement, moment } });
        isOver = answer !== null;
        if (answer) ({ statements } = answer);
        return answer;
      };
      yield { killPoint: { statement, moment, dies: 'connection' }, run };
    }
  }
  const moment = randomInt(2) === 0 ? 'before' : 'after';
  const killPoint = { statement: randomInt(1, statements + 1), moment } as const;
  const run = async (): Promise<null> => {
    if ((await runKillable({ ...options, killPoint })) !== null)
      throw new Error(`${atPoint({ ...options, killPoint })} came to its end`);
    return null;
  };
  yield { killPoint: { ...killPoint, dies: 'process' }, run };
}

/** Returns what moves it back. */
function moveClock(offsetMs: number): () => void {
  const Real = Date;
  if (offsetMs === 0) return () => {};
  globalThis.Date = class extends Real {
    constructor(...args: [] | [string | number]) {
      super(args.length === 0 ? Real.now() + offsetMs : args[0]);
    }
    static override now = (): number => Real.now() + offsetMs;
  } as DateConstructor;
  return () => {
    globalThis.Date = Real;
  };
}

async function work(options: WorkOptions): Promise<void> {
  const done = await works[options.work]();
  const statements = dieAt(options.killPoint ?? null);
  moveClock(options.clockOffsetMs ?? 0);
  const ports = createTestPorts(options.url, { ...portsOptions(options), applicationName: sessionName(process.pid) });
  const answer = await done(ports, options);
  process.send?.({ statements: statements(), ...answer });
  await ports.end();
  process.disconnect?.();
}

const given = process.env.KILLABLE_WORK;
if (given !== undefined) await work(JSON.parse(given) as WorkOptions);
