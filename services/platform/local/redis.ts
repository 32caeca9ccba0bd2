import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { patient } from '../process/patience.ts';
import { BACKGROUND, lowerPriority } from '../process/priority.ts';
import { createSecretFile, randomSecret } from './data-dir.ts';
import { StartError } from './errors.ts';
import { isSameProcessAlive } from './file-lock.mjs';
import { isPortFree, randomFreePort } from './ports.ts';
import { processesIn, type ServerTraits } from './predecessor.ts';
import { endingOf, type RecordedProcess, readState, recordProcess, stopProcess, writeState } from './processes.ts';
import { ensureRedisBinary } from './redis-binary.ts';
import { makeRedisUsers } from './redis-users.ts';
import { type LocalService, type RunningServer, shareServer } from './shared-service.ts';

const START_TIMEOUT_MS = 30_000;
const ASK_TIMEOUT_MS = 2_000;
const PORT_ATTEMPTS = 5;

type LocalRedisOptions = {
  /** Absolute path of the data directory; created if absent. */
  dataDir: string;
  say: (text: string) => void;
  /** Whether the server runs at a lower priority than the processes that it serves. */
  inBackground?: boolean;
  /** How long a running server may take to answer or to end; 30 s by default. */
  waitMs?: number;
};

type Instance = { folder: string; password: string; configFile: string; logFile: string; stateFile: string };

const instanceOf = (dataDir: string, password: string): Instance => ({
  folder: join(dataDir, 'redis'),
  password,
  configFile: join(dataDir, 'redis/redis.conf'),
  logFile: join(dataDir, 'run/redis.log'),
  stateFile: join(dataDir, 'run/redis.json'),
});

const urlOf = (password: string, port: number): string =>
  `redis://:${encodeURIComponent(password)}@127.0.0.1:${port}/0`;

/** Pid of the Redis at `port` if it accepts our password and works in our folder, else undefined. It then has its users. */
async function askPid(instance: Instance, port: number): Promise<number | undefined> {
  // Only here: other programs read the state of the server from this file.
  const { Redis } = await import('ioredis');
  const client = new Redis(urlOf(instance.password, port), {
    lazyConnect: true,
    connectTimeout: patient(ASK_TIMEOUT_MS),
    commandTimeout: patient(ASK_TIMEOUT_MS),
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    const [, folder] = (await client.config('GET', 'dir')) as string[];
    if (!folder || realpathSync(folder) !== realpathSync(instance.folder)) return undefined;
    const pid = /^process_id:(\d+)/m.exec(await client.info('server'))?.[1];
    if (!pid) return undefined;
    await makeRedisUsers(client, instance.password);
    return Number(pid);
  } catch {
    return undefined;
  } finally {
    client.disconnect();
  }
}

export const traitsOf = ({ folder }: Pick<Instance, 'folder'>): ServerTraits => ({
  folder,
  program: /(^|\/)(redis|valkey)-server(?= |$)/,
});

const notAnswering = (instance: Instance, pid: number, port: number, waitMs: number): StartError =>
  new StartError(
    'redis_not_answering',
    `Redis (pid ${pid}) on 127.0.0.1:${port} runs on this data directory and does not answer: timed out after ${Math.round(waitMs / 1_000)} s`,
    `check its state (ps -o pid,state,args -p ${pid}; state T: kill -CONT ${pid}) and ${instance.logFile}, or end it with kill ${pid}`,
  );

/** Port in the last written configuration. */
function configuredPort({ configFile }: Instance): number {
  try {
    return Number(/^port (\d+)$/m.exec(readFileSync(configFile, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/**
 * A Redis that runs on our folder: the one in the state file or, if a start was killed before it wrote that file, one
 * that is found working in the folder. Two servers must not write one append-only file.
 */
function findLive(instance: Instance): { process: RecordedProcess; port: number } | undefined {
  const state = readState(instance.stateFile);
  if (state && isSameProcessAlive(state)) return { process: { pid: state.pid, start: state.start }, port: state.port };
  const [process] = processesIn(traitsOf(instance));
  return process && { process, port: configuredPort(instance) };
}

async function adoptLive(instance: Instance, waitMs: number): Promise<RunningServer | undefined> {
  const startedAt = performance.now();
  for (;;) {
    const found = findLive(instance);
    if (!found) return undefined;
    const { process, port } = found;
    if ((await askPid(instance, port)) === process.pid) {
      writeState(instance.stateFile, { ...process, port });
      return { url: urlOf(instance.password, port), startedByUs: false, process };
    }
    if (performance.now() - startedAt > waitMs) throw notAnswering(instance, process.pid, port, waitMs);
    await sleep(100);
  }
}

/** Passes password and port in a file, because every user of the machine can read arguments. */
function writeConfig(instance: Instance, port: number): void {
  const lines = [
    'bind 127.0.0.1',
    `port ${port}`,
    'protected-mode yes',
    `requirepass ${instance.password}`,
    `dir "${instance.folder}"`,
    'daemonize no',
    'supervised no',
    'appendonly yes',
    'appendfsync everysec',
    'save ""',
    'maxmemory-policy noeviction',
    'logfile ""',
  ];
  writeFileSync(instance.configFile, `${lines.join('\n')}\n`, { mode: 0o600 });
}

async function launch(
  instance: Instance,
  binary: string,
  port: number,
  inBackground: boolean,
): Promise<RunningServer | 'port_taken'> {
  writeConfig(instance, port);
  const log = openSync(instance.logFile, 'w', 0o600);
  // Uses a shell to set the umask, and a separate process group so that Ctrl-C does not stop it before the API has drained.
  const child = spawn('/bin/sh', ['-c', 'umask 077; exec "$0" "$1"', binary, instance.configFile], {
    cwd: instance.folder,
    detached: true,
    stdio: ['ignore', log, log],
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' },
  });
  if (inBackground && child.pid) lowerPriority(child.pid, BACKGROUND);
  closeSync(log);
  const ended = endingOf(child);
  if (child.pid) writeState(instance.stateFile, { ...recordProcess(child.pid), port });
  const deadline = performance.now() + patient(START_TIMEOUT_MS);
  while (ended() === undefined && performance.now() < deadline) {
    if (child.pid && (await askPid(instance, port)) === child.pid) {
      child.unref();
      return { url: urlOf(instance.password, port), startedByUs: true, process: recordProcess(child.pid) };
    }
    await sleep(25);
  }
  const tail = existsSync(instance.logFile)
    ? readFileSync(instance.logFile, 'utf8').trim().split('\n').slice(-5).join('\n')
    : '';
  if (/Address already in use/i.test(tail)) return 'port_taken';
  if (child.pid) await stopProcess(recordProcess(child.pid), [['SIGTERM', 3_000]]);
  throw new StartError(
    'redis_not_started',
    `Redis did not start (${ended() ?? 'no answer'}):\n${tail}`,
    `see ${instance.logFile}; or set REDIS_URL to a server of your own`,
  );
}

async function startOrAdopt(options: LocalRedisOptions): Promise<RunningServer> {
  const { dataDir, say, inBackground = false, waitMs = patient(START_TIMEOUT_MS) } = options;
  const instance = instanceOf(dataDir, createSecretFile(join(dataDir, 'redis-password'), randomSecret(24)));
  mkdirSync(instance.folder, { recursive: true, mode: 0o700 });
  const adopted = await adoptLive(instance, waitMs);
  if (adopted) return adopted;
  const binary = await ensureRedisBinary(say);
  const remembered = readState(instance.stateFile)?.port ?? 0;
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt += 1) {
    const reuse = attempt === 0 && remembered > 0 && (await isPortFree(remembered, '127.0.0.1'));
    const port = reuse ? remembered : await randomFreePort();
    const running = await launch(instance, binary, port, inBackground);
    if (running !== 'port_taken') return running;
  }
  throw new StartError('no_free_port', 'no free port on 127.0.0.1 for Redis', 'free some ports, or set REDIS_URL');
}

/**
 * The private Redis of a data directory: adopted if an earlier supervisor left it running, else started. It listens on
 * 127.0.0.1 only, requires a generated password, keeps an append-only file and evicts no key.
 *
 * @throws StartError with the fix in its text
 */
export const startRedis = (options: LocalRedisOptions): Promise<LocalService> =>
  shareServer({
    dataDir: options.dataDir,
    name: 'redis',
    say: options.say,
    start: () => startOrAdopt(options),
    end: (server) => stopProcess(server.process, [['SIGTERM', 5_000]]),
  });

/** Connection URL of the private Redis of this data directory if it runs, else undefined; starts nothing. */
export function findRedisUrl(dataDir: string): string | undefined {
  const state = readState(join(dataDir, 'run/redis.json'));
  if (!state || !isSameProcessAlive(state)) return undefined;
  try {
    return urlOf(readFileSync(join(dataDir, 'redis-password'), 'utf8').trim(), state.port);
  } catch {
    return undefined;
  }
}
