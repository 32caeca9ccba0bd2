// PROCESS: makes the secrets of a stack at its first start, one file each, in the folder given. What is there stays.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder = '/run/sallyport-secrets'] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });

/** @param {string} name  @param {() => string} make */
function secret(name, make) {
  const path = join(folder, name);
  // Readable to every container the folder is mounted in: their users differ.
  if (!existsSync(path)) writeFileSync(path, make(), { mode: 0o444, flag: 'wx' });
  return readFileSync(path, 'utf8');
}

const random = () => randomBytes(32).toString('base64');
const urlSafe = () => randomBytes(32).toString('base64url');

secret('auth_secret', random);
secret('key_encryption_key', random);
secret('grafana_password', urlSafe);
const postgres = secret('postgres_password', urlSafe);
const redis = secret('redis_password', urlSafe);
secret('database_url', () => `postgresql://sallyport:${postgres}@postgres:5432/sallyport`);
secret('redis_url', () => `redis://:${redis}@redis:6379`);
