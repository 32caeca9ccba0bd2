// PROCESS, for tests only: runs verbs of the command line one after another, each as if the process were its own.
import { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { program } from './programs.ts';

const { run } = (await import(program('run'))) as typeof import('#cli/run.ts');

export type CliRequest = {
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
};
export type CliAnswer = {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Whether the process ends now: the verb failed with something still open. */
  readonly isSpent: boolean;
};

/** What a failed verb may take to close; what is still open then ends this process too. */
const CLOSING_MS = 200;

/** What keeps this process alive now: a process of a verb ends once only this is left. */
const kept = (): string => process.getActiveResourcesInfo().sort().join();

function collect(name: 'stdout' | 'stderr'): () => string {
  const parts: Buffer[] = [];
  const stream = new Writable({
    decodeStrings: true,
    write: (part: Buffer, _encoding, done) => {
      parts.push(part);
      done();
    },
  });
  Object.defineProperty(process, name, { value: stream, configurable: true });
  return () => Buffer.concat(parts).toString();
}

async function answer({ args, env }: CliRequest): Promise<CliAnswer> {
  process.env = { ...env };
  process.exitCode = undefined;
  Object.defineProperty(process, 'stdin', { value: Readable.from([]), configurable: true });
  const [out, err] = [collect('stdout'), collect('stderr')];
  const failure = await run(args);
  // A verb that succeeds must close what it opened, else its process would never end. One that fails need not.
  const untilMs = failure === undefined ? Number.POSITIVE_INFINITY : performance.now() + CLOSING_MS;
  while (kept() !== idle && performance.now() < untilMs) await sleep(2);
  const code = failure ?? Number(process.exitCode ?? 0);
  return { code, out: out(), err: err(), isSpent: kept() !== idle };
}

let idle = '';

process.on('message', async (request: CliRequest) => {
  await sleep(0);
  idle = kept();
  const reply = await answer(request);
  process.exitCode = undefined;
  process.send?.(reply, undefined, {}, () => {
    if (reply.isSpent) process.exit();
  });
});
process.on('disconnect', () => process.exit());
