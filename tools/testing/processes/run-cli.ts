import { type ChildProcess, type ChildProcessByStdio, fork, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { childEnv, preloaded } from './child-env.ts';
import type { CliAnswer, CliRequest } from './cli-server.ts';
import { program } from './programs.ts';

export type CliRun = { readonly code: number | null; readonly out: string; readonly err: string };

const ROOT = join(import.meta.dirname, '../../..');

/** Starts `sallyport <args>` as a process with only the given settings and those every child gets. */
export const startCli = (
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): ChildProcessByStdio<Writable, Readable, Readable> =>
  spawn(process.execPath, [program('cli'), ...args], {
    cwd: ROOT,
    env: { ...childEnv(), ...preloaded(), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });

/** Settings that Node reads when a process starts. */
const OF_START = /^(TZ|NODE_.*)$/;

type Server = { readonly process: ChildProcess; readonly exit: Promise<unknown> };
/** Servers that wait for a verb; the tests of one file share them. */
const idle: Server[] = [];

function startServer(): Server {
  const child = fork(new URL('./cli-server.ts', import.meta.url), {
    cwd: ROOT,
    env: { ...childEnv(), ...preloaded() },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  return { process: child, exit: new Promise((done) => child.once('exit', done)) };
}

/**
 * Runs `sallyport <args>` to its end, with only the given settings and those every child gets. Loading a verb costs a
 * hundred times what running it does, so a process that has ended one runs the next; verbs that overlap run in separate
 * processes, and one that reads its standard input in a process of its own.
 * @param input its standard input
 */
export async function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  input = '',
): Promise<CliRun> {
  if (input !== '' || Object.keys(env).some((name) => OF_START.test(name))) return runCliProcess(args, env, input);
  const server = idle.pop() ?? startServer();
  let warnings = '';
  const warn = (part: Buffer): void => {
    warnings += part;
  };
  server.process.stderr?.on('data', warn);
  const request: CliRequest = { args, env: { ...childEnv(), ...preloaded(), ...env } };
  const answer = await new Promise<CliAnswer | undefined>((done) => {
    server.process.once('message', (message) => done(message as CliAnswer));
    server.process.once('close', () => done(undefined));
    server.process.send(request);
  });
  server.process.stderr?.off('data', warn);
  server.process.removeAllListeners('message').removeAllListeners('close');
  // An error that nothing caught ends a verb, and its process.
  if (answer === undefined) return { code: server.process.exitCode, out: '', err: warnings };
  if (answer.isSpent) await server.exit;
  else idle.push(server);
  return { code: answer.code, out: answer.out, err: warnings + answer.err };
}

/** Ends the processes of `runCli`: after the tests of each file. */
export async function endCliServers(): Promise<void> {
  const ended = idle.splice(0);
  for (const { process: child } of ended) child.disconnect();
  await Promise.all(ended.map(({ exit }) => exit));
}

/** The same in a process of its own, for verbs whose processes write to its output. */
export function runCliProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  input = '',
): Promise<CliRun> {
  const child = startCli(args, env);
  // A verb that never reads its input may have ended already.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  let out = '';
  let err = '';
  child.stdout.on('data', (part: Buffer) => {
    out += part;
  });
  child.stderr.on('data', (part: Buffer) => {
    err += part;
  });
  return new Promise((done) => child.once('close', (code) => done({ code, out, err })));
}
