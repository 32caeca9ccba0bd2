// PROCESS, for tests only: the hashing process of the product, except that the passwords of this run cost bcrypt 4.
import { createRequire } from 'node:module';

type Bcrypt = {
  hashSync(key: string, options: { readonly cost: number; readonly version: string }): string;
  verifySync(key: string, digest: string): boolean;
};

// A random salt begins so once in 2^48: digests of fixtures are verified at their real cost.
const SALT_START = 'TestOnly';
const REAL = '$2b$12$';
const CHEAP = '$2b$04$';
const VERSION_LENGTH = REAL.length;

const bcrypt = createRequire(import.meta.url)('@node-rs/bcrypt') as Bcrypt & {
  genSaltSync(options: { readonly cost: number; readonly version: string }): string;
};
const { genSaltSync, hashSync, verifySync } = bcrypt;

/** A digest at cost 4 that says 12, as every reader of digests expects. */
bcrypt.hashSync = (key, options) => {
  const { cost, version, ...others } = options;
  if (cost !== 12 || version !== '2b') return hashSync(key, options);
  const random = genSaltSync({ cost: 4, version }).slice(VERSION_LENGTH + SALT_START.length);
  const salt = CHEAP + SALT_START + random;
  return REAL + hashSync(key, { ...others, salt } as never).slice(VERSION_LENGTH);
};
bcrypt.verifySync = (key, digest) =>
  verifySync(key, digest.startsWith(REAL + SALT_START) ? CHEAP + digest.slice(VERSION_LENGTH) : digest);

await import(process.argv[2] as string);
