import { execFileSync, spawnSync } from 'node:child_process';
import { StartError } from './errors.ts';

/** The operating-system user that Postgres runs as. */
export type ServiceUser = { name: string; uid: number; gid: number };

function lookUp(name: string): ServiceUser | undefined {
  const id = (flag: string): number | undefined => {
    const answer = spawnSync('id', [flag, name], { encoding: 'utf8' });
    return answer.status === 0 ? Number(answer.stdout.trim()) : undefined;
  };
  const uid = id('-u');
  const gid = id('-g');
  return uid === undefined || gid === undefined || uid === 0 ? undefined : { name, uid, gid };
}

const creators: readonly (readonly [string, readonly string[]])[] = [
  ['useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'sallyport']],
  ['adduser', ['-S', '-D', '-H', '-s', '/sbin/nologin', 'sallyport']],
];

/**
 * The user for Postgres, which refuses to run as root. Undefined if we are not root, else the user `postgres`,
 * else `sallyport` (created if need be), else `nobody`.
 *
 * @throws StartError `no_service_user` if none of them is available
 */
export function postgresUser(say: (text: string) => void): ServiceUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const existing = lookUp('postgres') ?? lookUp('_postgres') ?? lookUp('sallyport');
  if (existing) return existing;
  say('creating the system user "sallyport": Postgres refuses to run as root, and there is no user "postgres"');
  for (const [command, args] of creators) {
    if (spawnSync(command, args, { stdio: 'ignore' }).status !== 0) continue;
    const created = lookUp('sallyport');
    if (created) return created;
  }
  const unprivileged = lookUp('nobody');
  if (unprivileged) {
    say('the system user "sallyport" could not be created; running Postgres as "nobody"');
    return unprivileged;
  }
  throw new StartError(
    'no_service_user',
    'Postgres refuses to run as root, and no ordinary user is available to run it',
    'create one with "useradd --system sallyport", or run "npm start" as an ordinary user, or set DATABASE_URL',
  );
}

/** Whether `test` with this flag (`-x`, `-r`, `-w`) on `path` succeeds for `user` (undefined: our own user). */
export function userCan(user: ServiceUser | undefined, flag: '-r' | '-w' | '-x', path: string): boolean {
  const identity = user ? { uid: user.uid, gid: user.gid } : {};
  return (
    spawnSync('/bin/sh', ['-c', `test ${flag} "$0"`, path], { ...identity, cwd: '/', stdio: 'ignore' }).status === 0
  );
}

/** Gives a folder and everything in it to `user`. */
export function giveTo(user: ServiceUser, path: string): void {
  execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, path]);
}
