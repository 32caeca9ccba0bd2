import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { createSecretFile, randomSecret } from './data-dir.ts';
import { StartError } from './errors.ts';
import { type PostgresHome, postgresHome } from './postgres-home.ts';
import { giveTo, postgresUser, type ServiceUser } from './service-user.ts';

export const CLUSTER_OWNER = 'sallyport';

export type LocalPostgresOptions = {
  /** Absolute path of the data directory; created if absent. */
  dataDir: string;
  say: (text: string) => void;
  /** Whether the server runs at a lower priority than the processes that it serves. */
  inBackground?: boolean;
  /** How long a running server may take to answer or to end; one minute by default. */
  waitMs?: number;
  /** Folder for binaries and data if the Postgres user cannot enter their usual folders. */
  outsideRoot?: string;
};

export type Cluster = {
  home: PostgresHome;
  /** Undefined: our own user. */
  user: ServiceUser | undefined;
  password: string;
  logFile: string;
  stateFile: string;
};

/** The server inherits nothing from our environment, which may hold secrets. */
export const serverEnv: NodeJS.ProcessEnv = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** An existing cluster runs as its owner; the chosen user applies only to a new one. */
function clusterUser(data: string, chosen: ServiceUser | undefined): ServiceUser | undefined {
  const stat = statSync(data, { throwIfNoEntry: false });
  if (!stat) return chosen;
  if (!chosen) {
    if (stat.uid === process.getuid?.()) return undefined;
    throw new StartError(
      'data_dir_of_another_user',
      `${data} belongs to another user (uid ${stat.uid})`,
      'start as that user, or set SALLYPORT_DATA_DIR to another folder',
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

/** Removes the remains of an interrupted cluster creation. */
function sweepPartials(data: string): void {
  const folder = dirname(data);
  for (const name of readdirSync(folder))
    if (name.startsWith(`${basename(data)}.new-`)) rmSync(join(folder, name), { recursive: true, force: true });
}

/** Creates a new cluster beside its final path and renames it, so that an incomplete cluster is never used. */
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
      throw new StartError('initdb_failed', message, 'fix that, or set DATABASE_URL to an existing server');
    }
    renameSync(partial, home.data);
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Finds the cluster of a data directory, or creates it. */
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
