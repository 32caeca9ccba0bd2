import { createSecretKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { BACKGROUND } from '../process/priority.ts';
import { eventually } from '../testing/eventually.ts';
import { errorsTo } from '../testing/quiet-log.ts';
import { type SigningThreads, type SigningThreadsOptions, startSigningThreads } from './signing-threads.ts';

const errors: string[] = [];
const log = errorsTo(errors);
const first = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const second = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const started: SigningThreads[] = [];

function start(options: Omit<SigningThreadsOptions, 'log'> = {}): SigningThreads {
  const threads = startSigningThreads({ log, ...options });
  started.push(threads);
  return threads;
}

afterEach(async () => {
  errors.length = 0;
  for (const threads of started.splice(0)) await threads.close();
});

const inputsOf = (count: number): string[] => Array.from({ length: count }, (_, index) => `header.payload${index}`);
const ready = (threads: SigningThreads): Promise<unknown> =>
  eventually('every thread', () =>
    Promise.all(Array.from({ length: threads.lanes }, () => threads.sign(inputsOf(1), first.privateKey))).catch(
      () => undefined,
    ),
  );
const fateOf = (threads: SigningThreads): Promise<string> =>
  threads.sign(inputsOf(1), first.privateKey).then(String, String);
const isSigned = (key: typeof first.publicKey, inputs: readonly string[], signatures: readonly string[]): boolean =>
  signatures.length === inputs.length &&
  inputs.every((input, index) =>
    verify('sha256', Buffer.from(input), key, Buffer.from(signatures[index] as string, 'base64url')),
  );

test('every batch is signed in its order, by the key that came with it, on both threads and one after the other', async () => {
  const threads = start({ threads: 2 });
  await ready(threads);
  for (const { privateKey, publicKey } of [first, second, second, first]) {
    const batches = [inputsOf(16), inputsOf(3)];
    const signed = await Promise.all(batches.map((inputs) => threads.sign(inputs, privateKey)));
    for (const [index, inputs] of batches.entries()) expect(isSigned(publicKey, inputs, signed[index]!)).toBe(true);
  }
});

test('one batch for each thread: another is rejected, as is a key that signs nothing, and the threads go on', async () => {
  const threads = start({ threads: 1 });
  await ready(threads);
  const running = threads.sign(inputsOf(1), createSecretKey(randomBytes(32)));
  await expect(threads.sign(inputsOf(1), first.privateKey)).rejects.toThrow('no thread is there');
  await expect(running).rejects.toThrow('the key signs nothing');
  expect(isSigned(first.publicKey, inputsOf(2), await threads.sign(inputsOf(2), first.privateKey))).toBe(true);
  expect(errors).toEqual(['a key signs nothing']);
});

test('a thread that dies at its work rejects what it had in hand, and another takes its place', async () => {
  const threads = start({ threads: 1, entry: new URL('../testing/processes/failing-signer.ts', import.meta.url) });
  for (let death = 1; death <= 2; death += 1) {
    await eventually('a thread', async () => (await fateOf(threads)).includes('has ended'));
    expect(errors).toEqual(Array(death).fill('a thread that signs failed'));
    expect(await fateOf(threads)).toContain('no thread is there');
  }
});

test('threads that die while they have nothing to do are asked for nothing', async () => {
  const threads = start({ threads: 1, entry: new URL('../testing/processes/fading-signer.ts', import.meta.url) });
  await eventually('three of them', async () => {
    expect(await fateOf(threads)).toMatch(/no thread is there|has ended/);
    return errors.length >= 3;
  });
});

test('where no thread can be had this one goes on, and asks again', async () => {
  const threads = start({ threads: 1, entry: new URL('http://threads.test/none') });
  await eventually('a second try', async () => {
    expect(await fateOf(threads)).toContain('no thread is there');
    return errors.length >= 2;
  });
  expect(new Set(errors)).toEqual(new Set(['a thread that signs could not be started']));
});

test('closed in mid-batch the batch is rejected, as is whatever comes after', async () => {
  const threads = start({ threads: 1 });
  await ready(threads);
  const batch = threads.sign(inputsOf(16), first.privateKey).then(String, String);
  await threads.close();
  expect(await batch).toContain('has ended');
  expect(await fateOf(threads)).toContain('no thread is there');
});

test.runIf(process.platform === 'linux')('they give way to the thread that answers, and end with it', async () => {
  const signers = (): string[] =>
    readdirSync('/proc/self/task').filter(
      (thread) => readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').trim() === 'signer',
    );
  const threads = start({ threads: 2 });
  await ready(threads);
  expect(signers().map((thread) => getPriority(Number(thread)))).toEqual([BACKGROUND, BACKGROUND]);
  await threads.close();
  await eventually('their end', () => signers().length === 0);
});
