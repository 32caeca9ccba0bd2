// PROCESS: raw jose and `@sallyport/verifier` on the same tokens, the memory of live revocations, and a verifier of the
// running product. The programs in Python and Go answer the same commands.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { importJWK, type JWK, jwtVerify } from 'jose';
import { createVerifier, type Verifier, type VerifierOptions } from '#sdks/typescript/src/index.ts';
import { answerCommands } from '../lib/answer-commands.ts';
import type { RawSpeed } from '../lib/pairs.ts';

type Operation = 'raw' | 'fresh' | 'repeated';
type Command =
  | { readonly operation: 'versions' | 'state' }
  | { readonly operation: Operation; readonly issuer: string; readonly seconds: number }
  | { readonly operation: 'memory' | 'resident'; readonly issuer: string }
  | ({ readonly operation: 'follow' } & Required<
      Pick<VerifierOptions, 'issuer' | 'clientId' | 'clientSecret' | 'feed'>
    >)
  | { readonly operation: 'verify' | 'refused'; readonly token: string };

const REPEATED_TOKENS = 1_000;
const REPEATS = 100;
const IN_FLIGHT = 16;
const PAUSE_MS = 5;
const LONGEST_REACH_MS = 10_000;

const bodyOf = async <T>(issuer: string, path: string): Promise<T> =>
  (await (await fetch(`${issuer}${path}`)).json()) as T;

/** Reads revocations once, and does not let them grow stale. */
async function verifierOf(issuer: string): Promise<Verifier> {
  const verifier = createVerifier({
    ...{ issuer, clientId: 'a', clientSecret: 'b', feedInterval: 60, maxStale: 86_400, timeout: 60 },
  });
  await verifier.ready();
  return verifier;
}

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** Works through the tokens, some at once, and adds up time and CPU time. */
async function pass(tokens: readonly string[], use: (token: string) => Promise<unknown>): Promise<RawSpeed> {
  const [startedMs, cpuBefore] = [performance.now(), cpuSeconds()];
  let at = 0;
  const lane = async (): Promise<void> => {
    while (at < tokens.length) {
      at += 1;
      await use(tokens[at - 1] as string);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return {
    operations: tokens.length,
    seconds: (performance.now() - startedMs) / 1_000,
    cpuSeconds: cpuSeconds() - cpuBefore,
  };
}

const usedBy = (verifier: Verifier) => async (token: string) => {
  const { code } = await verifier.verify(token);
  if (code !== 'active') throw new Error(`the verifier answered ${code}`);
};

async function passOf(operation: Operation, issuer: string, tokens: readonly string[]): Promise<RawSpeed> {
  if (operation === 'raw') {
    const { keys } = await bodyOf<{ keys: JWK[] }>(issuer, '/.well-known/jwks.json');
    const key = await importJWK(keys[0] as JWK, 'RS256');
    const options = { issuer, audience: issuer, typ: 'at+jwt', algorithms: ['RS256'], clockTolerance: 5 };
    return pass(tokens, (token) => jwtVerify(token, key, options));
  }
  const verifier = await verifierOf(issuer);
  try {
    if (operation === 'fresh') return await pass(tokens, usedBy(verifier));
    const known = tokens.slice(0, REPEATED_TOKENS);
    await pass(known, usedBy(verifier));
    return await pass(Array.from({ length: REPEATS }, () => known).flat(), usedBy(verifier));
  } finally {
    verifier.close();
  }
}

let tokens: readonly string[] | undefined;

async function speedOf(operation: Operation, issuer: string, seconds: number): Promise<RawSpeed> {
  tokens ??= await bodyOf<string[]>(issuer, '/tokens');
  const sum = { operations: 0, seconds: 0, cpuSeconds: 0 };
  while (sum.seconds < seconds) {
    const one = await passOf(operation, issuer, tokens);
    sum.operations += one.operations;
    sum.seconds += one.seconds;
    sum.cpuSeconds += one.cpuSeconds;
  }
  return sum;
}

const residentBytes = (): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1_024;

/** What live revocations take, after a collection: of the heap, or of the memory of the process. */
async function memoryOf(operation: 'memory' | 'resident', issuer: string) {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const used = async (): Promise<number> => {
    for (let time = 0; time < 5; time += 1) {
      gc();
      await sleep(20);
    }
    return operation === 'memory' ? process.memoryUsage().heapUsed : residentBytes();
  };
  const before = await used();
  const verifier = await verifierOf(issuer);
  const bytes = (await used()) - before;
  const { revocations } = verifier.state();
  verifier.close();
  return { entries: revocations, bytes };
}

const versionOf = (name: string): string => {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
};

let following: Verifier | undefined;

const codeOf = async (token: string): Promise<string> => (await (following as Verifier).verify(token)).code;

/** Verifies the token until it is refused. */
async function refusalOf(token: string): Promise<{ code: string; verifications: number }> {
  const startedMs = performance.now();
  for (let verifications = 1; ; verifications += 1) {
    const code = await codeOf(token);
    if (code !== 'active') return { code, verifications };
    if (performance.now() - startedMs > LONGEST_REACH_MS) throw new Error('a revocation never reached the verifier');
    await sleep(PAUSE_MS);
  }
}

async function resultOf(command: Command): Promise<unknown> {
  switch (command.operation) {
    case 'versions':
      return { jose: versionOf('jose') };
    case 'memory':
    case 'resident':
      return memoryOf(command.operation, command.issuer);
    case 'follow': {
      const { issuer, clientId, clientSecret, feed } = command;
      following = createVerifier({ issuer, clientId, clientSecret, feed });
      await following.ready();
      return {};
    }
    case 'verify':
      return { code: await codeOf(command.token) };
    case 'refused':
      return refusalOf(command.token);
    case 'state': {
      const { epoch, incarnation, fresh } = (following as Verifier).state();
      return { epoch, incarnation, fresh };
    }
    default:
      return speedOf(command.operation, command.issuer, command.seconds);
  }
}

await answerCommands(resultOf);
