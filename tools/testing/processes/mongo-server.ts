// For tests only: FerretDB, a server that speaks MongoDB's wire protocol, built once from its Go module.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { madeOnce } from '../../checks/debian-package.ts';
import { ensureGo } from '../../checks/go-program.ts';
import { makeAuthority } from '../fakes/certificate-maker.ts';

const VERSION = 'v1.24.2';
const CACHE = resolve(import.meta.dirname, '../../node_modules/.cache/sallyport');

const ferretProgram = (): string => join(madeOnce(join(CACHE, `ferretdb-${VERSION}`), buildFerret), 'ferretdb');

/** Builds it in the module's own folder, with the versions of its own go.sum: its version is a file that it lacks. */
function buildFerret(unfinished: string): void {
  process.stderr.write(`building FerretDB ${VERSION} once from its Go module, a minute …\n`);
  const source = join(unfinished, 'source');
  const go = ensureGo();
  const env = {
    ...process.env,
    PATH: `${dirname(go)}:${process.env.PATH}`,
    GOFLAGS: '-buildvcs=false',
    CGO_ENABLED: '0',
  };
  const fetched = spawnSync(go, ['mod', 'download', '-json', `github.com/FerretDB/FerretDB@${VERSION}`], {
    cwd: unfinished,
    env,
    encoding: 'utf8',
  });
  if (fetched.status !== 0) throw new Error(`FerretDB could not be fetched:\n${fetched.stdout}${fetched.stderr}`);
  const { Dir } = JSON.parse(fetched.stdout) as { readonly Dir: string };
  cpSync(Dir, source, { recursive: true });
  if (spawnSync('chmod', ['-R', 'u+w', source]).status !== 0) throw new Error(`${source} cannot be written`);
  writeFileSync(join(source, 'build/version/version.txt'), `${VERSION}\n`);
  const output = join(unfinished, 'ferretdb');
  const args = ['build', '-tags', 'ferretdb_no_postgresql', '-ldflags', '-s -w', '-o', output, './cmd/ferretdb'];
  if (spawnSync(go, args, { cwd: source, env, stdio: ['ignore', 2, 2] }).status !== 0)
    throw new Error('FerretDB could not be built: Go must reach its module proxy (GOPROXY) once');
  rmSync(source, { recursive: true, force: true });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const { port } = server.address() as { readonly port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}

export type MongoServer = {
  /** `host:port`, without and with TLS. */
  readonly host: string;
  readonly tlsHost: string;
  /** File of the authority that issued its certificate. */
  readonly authorityFile: string;
  readonly user: string;
  readonly password: string;
  close(): Promise<void>;
};

/** A server of its own, in memory, with one user. Its clients sign in by SCRAM. */
export async function startMongoServer(): Promise<MongoServer> {
  const program = ferretProgram();
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-mongo-'));
  const authority = makeAuthority('MongoDB test authority');
  const own = authority.issue({ ips: ['127.0.0.1'] });
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const authorityFile = file('authority.pem', authority.pem);
  const [host, tlsHost] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const [user, password] = ['reader', 'p@ss/word-of-the-reader'];
  const child: ChildProcess = spawn(
    program,
    [
      ...['--telemetry=disable', '--handler=sqlite', '--sqlite-url=file:./?mode=memory', '--debug-addr=-'],
      ...[`--listen-addr=${host}`, `--listen-tls=${tlsHost}`, `--state-dir=${folder}`, '--log-level=error'],
      `--listen-tls-cert-file=${file('server.pem', own.pem)}`,
      `--listen-tls-key-file=${file('server.key', own.keyPem)}`,
      ...[
        '--test-enable-new-auth',
        '--setup-database=admin',
        `--setup-username=${user}`,
        `--setup-password=${password}`,
      ],
    ],
    { cwd: folder, stdio: ['ignore', 2, 2] },
  );
  const ended = new Promise<void>((exited) => child.once('exit', () => exited()));
  return {
    ...{ host, tlsHost, authorityFile, user, password },
    close: async () => {
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
