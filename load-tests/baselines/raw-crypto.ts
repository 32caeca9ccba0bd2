// PROCESS: the cryptographic work alone, as fast as one Node process does it on these cores.
import { createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { hash, verify as verifyPassword } from '@node-rs/bcrypt';

type Operation = 'rs256-sign' | 'rs256-verify' | 'bcrypt-12';
type Command = {
  readonly id: number;
  readonly operation: Operation;
  readonly seconds: number;
  /** Bytes signed: those of a token before its signature. */
  readonly bytes: number;
  readonly inFlight: number;
};

export type RawSpeed = {
  readonly operations: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
};

const MODULUS_LENGTH = 2_048;
const DISTINCT_MESSAGES = 1_024;

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: MODULUS_LENGTH });
const verificationKey = createPublicKey({ key: publicKey.export({ format: 'jwk' }), format: 'jwk' });
const PASSWORD = 'correct horse battery staple';
const digest = hash(PASSWORD, { cost: 12 });

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

async function measure(operations: (isOver: () => boolean) => Promise<number>, seconds: number): Promise<RawSpeed> {
  const startedMs = performance.now();
  const cpuBefore = cpuSeconds();
  const count = await operations(() => performance.now() - startedMs >= seconds * 1_000);
  return {
    operations: count,
    seconds: (performance.now() - startedMs) / 1_000,
    cpuSeconds: cpuSeconds() - cpuBefore,
  };
}

/** Keeps `inFlight` calls going until time is up. */
async function concurrently(
  inFlight: number,
  isOver: () => boolean,
  call: (count: number) => Promise<unknown>,
): Promise<number> {
  let count = 0;
  const lane = async (): Promise<void> => {
    while (!isOver()) {
      await call(count);
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return count;
}

const signRs256 = (data: Buffer): Promise<Buffer> =>
  new Promise((done, fail) =>
    sign('RSA-SHA256', data, privateKey, (err, signature) => (err ? fail(err) : done(signature))),
  );

async function run({ operation, seconds, bytes, inFlight }: Command): Promise<RawSpeed> {
  const messages = Array.from({ length: DISTINCT_MESSAGES }, () => randomBytes(bytes));
  if (operation === 'rs256-sign')
    return measure(
      (isOver) => concurrently(inFlight, isOver, (count) => signRs256(messages[count % DISTINCT_MESSAGES]!)),
      seconds,
    );
  if (operation === 'bcrypt-12') {
    const known = await digest;
    return measure((isOver) => concurrently(inFlight, isOver, () => verifyPassword(PASSWORD, known)), seconds);
  }
  const signed = await Promise.all(messages.map(signRs256));
  return measure(async (isOver) => {
    let count = 0;
    for (; !isOver(); count += 1) {
      const at = count % DISTINCT_MESSAGES;
      if (!verify('RSA-SHA256', messages[at]!, verificationKey, signed[at]!)) throw new Error('bad signature');
    }
    return count;
  }, seconds);
}

process.on('message', async (command: Command) => {
  try {
    process.send?.({ id: command.id, result: await run(command) });
  } catch (err) {
    process.send?.({ id: command.id, error: (err as Error).message });
  }
});
process.on('disconnect', () => process.exit(0));
