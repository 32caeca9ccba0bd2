import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const BULLMQ = join(ROOT, 'node_modules/bullmq/dist/cjs/scripts');
const LIMITER = join(ROOT, 'node_modules/rate-limiter-flexible/lib/RateLimiterRedis.js');

/**
 * What every connection needs: to name itself, to find the nodes of a cluster, and to run scripts. Redis 7.0 refuses a list
 * that names a subcommand which it lacks, so the administrative ones are taken away at the end.
 */
const CONNECTION = ['ping', 'select', 'readonly', 'client', 'cluster', 'eval', 'evalsha'];
const NEVER = '-@admin -@dangerous +info';

/** Scripts of BullMQ by what a process does with queues, and the commands that it sends besides. */
const QUEUES = {
  /** Adds a job, alone or in place of one that waits. */
  add: { scripts: ['addStandardJob', 'addDelayedJob', 'addPrioritizedJob'], commands: [] },
  /** Looks at queues and jobs, retries and discards dead letters, and empties a queue. */
  administer: {
    scripts: `getCounts getRanges getState getStateV2 isFinished removeJob reprocessJob drain
      removeDeduplicationKey`.split(/\s+/),
    commands: ['hgetall', 'hget', 'zcount', 'zcard', 'llen', 'lrange', 'zrange', 'exists', 'multi', 'exec'],
  },
  /** Takes jobs, and ends them. */
  consume: {
    scripts: `moveToActive moveToFinished moveToDelayed moveToWaitingChildren moveStalledJobsToWait
      moveJobFromActiveToWait extendLock extendLocks releaseLock retryJob saveStacktrace addLog updateProgress
      updateData promote changeDelay isMaxed getRateLimitTtl pause`.split(/\s+/),
    commands: ['bzpopmin', 'hset', 'hmset'],
  },
} as const;

/** What a process does in Redis beyond queues: keys, and the commands of `platform/redis/redis.ts` that it calls. */
const KEYS = {
  'auth:*': ['get', 'set', 'del', 'getdel', 'incr', 'expire'],
  'sallyport:*': ['get', 'mget', 'set'],
  'limits:*': 'limiter',
  'sp:revocations': ['xadd', 'xread'],
} as const;

type Process = 'api' | 'mcp' | 'worker';
const PROCESSES: Readonly<
  Record<Process, { keys: readonly (keyof typeof KEYS)[]; queues: readonly (keyof typeof QUEUES)[] }>
> = {
  api: { keys: ['auth:*', 'limits:*', 'sallyport:*', 'sp:revocations'], queues: ['add', 'administer'] },
  mcp: { keys: ['limits:*', 'sp:revocations'], queues: ['add'] },
  worker: { keys: [], queues: ['add', 'administer', 'consume'] },
};

/** Commands by name, and those of a variable. */
const callsIn = (lua: string): string[] =>
  [...lua.matchAll(/(?:rcall|redis\.p?call)\(\s*["'](\w+)["']|["']([LR]PUSH)["']/gi)].map(([, name, other]) =>
    (name ?? other ?? '').toLowerCase(),
  );

/** Commands of a script of BullMQ. Fails for a script that it no longer has. */
function commandsOf(script: string): string[] {
  const file = readdirSync(BULLMQ).find((name) => new RegExp(`^${script}-\\d+\\.js$`).test(name));
  if (file === undefined) throw new Error(`BullMQ has no script ${script}`);
  return callsIn(readFileSync(join(BULLMQ, file), 'utf8'));
}

/** The line of `deploy/redis/users.acl` for a process: keys and commands that it uses, and no others. */
export function redisUser(process: Process): string {
  const { keys, queues } = PROCESSES[process];
  const limiter = callsIn(readFileSync(LIMITER, 'utf8'));
  const commands = new Set<string>([
    ...CONNECTION,
    ...keys.flatMap((pattern) => (KEYS[pattern] === 'limiter' ? limiter : KEYS[pattern])),
    ...queues.flatMap((use) => [...QUEUES[use].scripts.flatMap(commandsOf), ...QUEUES[use].commands]),
  ]);
  const patterns = [...keys, '{sallyport}:*'].map((pattern) => `~${pattern}`);
  const allowed = [...commands].sort().map((name) => `+${name}`);
  return `user sallyport_${process} on resetchannels ${patterns.join(' ')} -@all ${allowed.join(' ')} ${NEVER}`;
}
