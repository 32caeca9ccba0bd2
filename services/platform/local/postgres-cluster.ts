import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { createSecretFile, randomSecret } from './data-dir.ts';
import { StartError } from './errors.ts';
import { type PostgresHome, postgresHome } from './postgres-home.ts';
import { giveTo, postgresUser, type ServiceUser } from './service-user.ts';

/** The cluster's superuser. */
export const CLUSTER_OWNER = 'sallyport';

export type LocalPostgresOptions = {
  /** Absolute path; created if absent. */
  dataDir: string;
  say: (text: string) => void;
  /** Whether the server runs at a lower priority than the processes that it serves. */
  inBackground?: boolean;
  /** How long a server that is already there may take to answer, or to be gone; a minute unless said. */
  waitMs?: number;
  /** Where binaries and data go when the user Postgres runs as cannot reach their usual places. */
  outsideRoot?: string;
};

export type Cluster = {
  home: PostgresHome;
  /** Undefined: as ourselves. */
  user: ServiceUser | undefined;
  password: string;
  logFile: string;
  stateFile: string;
};

/** Nothing of our own environment (it may hold secrets) reaches the server. */
export const serverEnv: NodeJS.ProcessEnv = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** An existing cluster runs as its owner, whatever user a new one would get. */
function clusterUser(data: string, chosen: ServiceUser | undefined): ServiceUser | undefined {
  const stat = statSync(data, { throwIfNoEntry: false });
  if (!stat) return chosen;
  if (!chosen) {
    if (stat.uid === process.getuid?.()) return undefined;
    throw new StartError(
      'data_dir_of_another_user',
      `${data} belongs to another user (uid ${stat.uid})`,
      'start as that user, or set SALLYPORT_DATA_DIR to a new place',
    );
  }
  return stat.uid === 0 || stat.uid === chosen.uid ? chosen : { name: `uid ${stat.uid}`, uid: stat.uid, gid: stat.gid };
}

function runInitdb({ home, user }: Cluster, data: string, passwordFile: string): Promise<string | undefined> {
  const args = ['-D', data, '-U', CLUSTER_OWNER, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8'];
  args.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C', '--no-instructions');
  return new Promise((done) => {
    const identity = user ? { uid: user.uid, gid: user.gid } : {};
    const options = {
      ...identity,
      cwd: '/',
      env: serverEnv,
      stdio: ['ignore', 'ignore', 'pipe'] as ['ignore', 'ignore', 'pipe'],
    };
    const child = spawn(join(home.binaries, 'bin/initdb'), args, options);
    let words = '';
    child.stderr.on('data', (part: Buffer) => {
      words += part;
    });
    child.once('error', (err) => done(err.message));
    child.once('close', (code, signal) => done(code === 0 ? undefined : `${words.trim()} (${signal ?? code})`));
  });
}

/** Removes what a making that was killed half-way left behind. */
function sweepPartials(data: string): void {
  const folder = dirname(data);
  for (const name of readdirSync(folder)) {
    if (name.startsWith(`${basename(data)}.new-`)) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** Makes a new cluster beside its final place and moves it there whole, so an interrupted one is never half there. */
async function initialise(cluster: Cluster): Promise<void> {
  const { home, user, password } = cluster;
  sweepPartials(home.data);
  const partial = `${home.data}.new-${randomSecret(6)}`;
  const passwordFile = `${partial}.password`;
  try {
    mkdirSync(partial, { mode: 0o700 });
    writeFileSync(passwordFile, password, { mode: 0o600, flag: 'wx' });
    if (user) {
      giveTo(user, partial);
      giveTo(user, passwordFile);
    }
    const problem = await runInitdb(cluster, partial, passwordFile);
    if (problem !== undefined) {
      const message = `Postgres could not create ${home.data}: ${problem}`;
      throw new StartError('initdb_failed', message, 'mend that, or set DATABASE_URL to a server of your own');
    }
    renameSync(partial, home.data);
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Finds the cluster of a data directory, and makes it the first time. */
export async function openCluster({ dataDir, say, outsideRoot }: LocalPostgresOptions): Promise<Cluster> {
  const chosen = postgresUser(say);
  const home = postgresHome({ dataDir, user: chosen, say, outsideRoot: outsideRoot ?? '/var/lib/sallyport' });
  const cluster: Cluster = {
    home,
    user: clusterUser(home.data, chosen),
    password: createSecretFile(join(dataDir, 'postgres-password'), randomSecret(24)),
    logFile: join(dataDir, 'run/postgres.log'),
    stateFile: join(dataDir, 'run/postgres.json'),
  };
  if (!existsSync(join(home.data, 'PG_VERSION'))) {
    say('creating the embedded Postgres …');
    await initialise(cluster);
  }
  return cluster;
}
