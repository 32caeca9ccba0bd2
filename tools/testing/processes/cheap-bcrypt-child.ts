// PROCESS, for tests only: the hashing process of the product, except that the passwords of this run cost bcrypt 4.
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';

type Bcrypt = {
  hashSync(key: string, cost: number, salt?: Uint8Array): string;
  verifySync(key: string, digest: string): boolean;
};

// A random salt begins so once in 2^48: digests of fixtures are verified at their real cost.
const SALT_START = 'TestOnly';
/** What a digest shows as `SALT_START`. */
const SALT_START_BYTES = Buffer.from('560baf4299f4', 'hex');
const REAL = '$2b$12$';
const CHEAP = '$2b$04$';
const VERSION_LENGTH = REAL.length;

const bcrypt = createRequire(import.meta.url)('@node-rs/bcrypt') as Bcrypt;
const { hashSync, verifySync } = bcrypt;

/** A digest at cost 4 that says 12, as every reader of digests expects. */
bcrypt.hashSync = (key, cost) => {
  if (cost !== 12) return hashSync(key, cost);
  const salt = Buffer.concat([SALT_START_BYTES, randomBytes(10)]);
  return REAL + hashSync(key, 4, salt).slice(VERSION_LENGTH);
};
bcrypt.verifySync = (key, digest) =>
  verifySync(key, digest.startsWith(REAL + SALT_START) ? CHEAP + digest.slice(VERSION_LENGTH) : digest);

await import(process.argv[2] as string);
