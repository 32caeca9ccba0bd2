// PROCESS: generates the secrets of a stack at its first start, one file each, in the given folder. Existing files stay. Each
// kind of service has its own folder, so that none gets a secret it does not use (least privilege).
import { hash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder = '/run/sallyport-secrets'] = process.argv.slice(2);

/** @param {'product' | 'owner' | 'api' | 'mcp' | 'worker' | 'postgres' | 'redis' | 'grafana'} service  @param {string} name  @param {() => string} make */
function secret(service, name, make) {
  mkdirSync(join(folder, service), { recursive: true });
  const path = join(folder, service, name);
  // Readable by all users, because the containers that mount the folder run as different users.
  if (!existsSync(path)) writeFileSync(path, make(), { mode: 0o444, flag: 'wx' });
  return readFileSync(path, 'utf8');
}

const random = () => randomBytes(32).toString('base64');
const urlSafe = () => randomBytes(32).toString('base64url');

secret('product', 'auth_secret', random);
secret('product', 'key_encryption_key', random);
secret('grafana', 'grafana_password', urlSafe);
const postgres = secret('postgres', 'postgres_password', urlSafe);
const redis = secret('redis', 'redis_password', urlSafe);
/** @param {string} login  @param {string} password */
const database = (login, password) => `postgresql://${login}:${password}@postgres:5432/sallyport`;
secret('owner', 'database_url', () => database('sallyport', postgres));
// One login for each process; `migrate` makes them.
for (const process of /** @type {const} */ (['api', 'mcp', 'worker']))
  secret(process, 'database_url', () => database(`sallyport_${process}_login`, urlSafe()));
// Users of Redis as this release has them, with their passwords, and one that only asks whether the server answers.
const acl = readFileSync(join(import.meta.dirname, '../redis/users.acl'), 'utf8')
  .trim()
  .split('\n');
const users = acl.map((line) => {
  const process = /** @type {const} */ (['api', 'mcp', 'worker']).find((each) =>
    line.startsWith(`user sallyport_${each} `),
  );
  if (process === undefined) return line;
  const url = secret(process, 'redis_url', () => `redis://sallyport_${process}:${urlSafe()}@redis:6379`);
  return `${line} #${hash('sha256', new URL(url).password)}`;
});
const aclFile = join(folder, 'redis', 'users.acl');
rmSync(aclFile, { force: true });
writeFileSync(
  aclFile,
  [...users, `user sallyport_probe on resetchannels -@all +ping #${hash('sha256', redis)}`, ''].join('\n'),
  { mode: 0o444 },
);
// Stacks of before gave every process the owner's, and one user of Redis.
for (const old of ['database_url', 'redis_url']) rmSync(join(folder, 'product', old), { force: true });
