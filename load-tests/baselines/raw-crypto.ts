// PROCESS: the cryptographic work alone, as fast as one Node process does it on these cores.
import { createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { hash, verify as verifyPassword } from '@node-rs/bcrypt';
import { answerCommands } from '../lib/answer-commands.ts';
import type { RawSpeed } from '../lib/pairs.ts';

type Command = {
  readonly operation: 'rs256-verify' | 'bcrypt-12';
  readonly seconds: number;
  /** Bytes signed: those of a token before its signature. */
  readonly bytes: number;
  readonly inFlight: number;
};

const DISTINCT_MESSAGES = 1_024;
const PASSWORD = 'correct horse battery staple';

/** Keeps `inFlight` calls going until time is up. */
async function measure({ seconds, inFlight }: Command, call: (count: number) => boolean | Promise<boolean>) {
  const [startedMs, cpuBefore] = [performance.now(), process.cpuUsage()];
  const elapsedMs = (): number => performance.now() - startedMs;
  let count = 0;
  const lane = async (): Promise<void> => {
    while (elapsedMs() < seconds * 1_000) {
      const right = call(count);
      if (!(right === true || (await right))) throw new Error('wrong result');
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const { user, system } = process.cpuUsage(cpuBefore);
  return { operations: count, seconds: elapsedMs() / 1_000, cpuSeconds: (user + system) / 1e6 };
}

await answerCommands(async (command: Command): Promise<RawSpeed> => {
  if (command.operation === 'bcrypt-12') {
    const digest = await hash(PASSWORD, 12);
    return measure(command, () => verifyPassword(PASSWORD, digest));
  }
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const key = createPublicKey({ key: publicKey.export({ format: 'jwk' }), format: 'jwk' });
  const signed = Array.from({ length: DISTINCT_MESSAGES }, () => {
    const message = randomBytes(command.bytes);
    return { message, signature: sign('RSA-SHA256', message, privateKey) };
  });
  return measure(command, (count) => {
    const { message, signature } = signed[count % DISTINCT_MESSAGES]!;
    return verify('RSA-SHA256', message, key, signature);
  });
});
