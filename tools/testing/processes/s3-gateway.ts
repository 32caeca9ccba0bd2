// For tests only: VersityGW, an S3 server, built from its Go module and run on a folder, behind a proxy that can fail.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { globSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { goProgram, madeOnce } from '#tools/checks/debian-package.ts';
import { eventually } from '../eventually.ts';

const VERSION = 'v1.8.0';
const MODULE = `github.com/versity/versitygw/cmd/versitygw@${VERSION}`;
const CACHE = resolve(import.meta.dirname, '../../node_modules/.cache/sallyport');

/** Path of the server, which is built from its Go module the first time; undefined if that fails. */
export function findS3Gateway(): string | undefined {
  const build = (unfinished: string): void => {
    process.stderr.write(`building ${MODULE}, which takes a minute the first time\n`);
    const env = { ...process.env, GOBIN: unfinished, GOFLAGS: '-buildvcs=false', CGO_ENABLED: '0' };
    const { status } = spawnSync(goProgram() ?? 'go', ['install', MODULE], { env, stdio: ['ignore', 2, 2] });
    if (status !== 0) throw new Error(`${MODULE} could not be built`);
  };
  try {
    return join(madeOnce(join(CACHE, `versitygw-${VERSION}`), build), 'versitygw');
  } catch {
    return undefined;
  }
}

/**
 * `lose`: the request is done and its answer lost. `break`: the answer ends after its first megabyte. `says`: the answer
 * has these headers instead of its own.
 */
export type S3Fault =
  | { readonly answer: number }
  | { readonly says: Readonly<Record<string, string>> }
  | 'lose'
  | 'break'
  | 'hang';

export type S3Gateway = {
  readonly env: Readonly<Record<string, string>>;
  /** The folder that is the bucket `backups`. */
  readonly folder: string;
  /** Requests so far, `PUT /backups/key?query`. */
  readonly requests: string[];
  /** Chooses what fails. */
  fault: (request: string) => S3Fault | undefined;
  /** Keys of objects, and of uploads that were begun and neither completed nor aborted. */
  keys(): { readonly objects: readonly string[]; readonly uploads: readonly string[] };
  stop(): Promise<void>;
  close(): Promise<void>;
};

const BREAK_AFTER_BYTES = 1_000_000;

function passOn(request: IncomingMessage, response: ServerResponse, port: number, fault: S3Fault | undefined): void {
  if (fault === 'hang') return;
  if (typeof fault === 'object' && 'answer' in fault) {
    request.resume().on('end', () => response.writeHead(fault.answer).end());
    return;
  }
  const { method, url: path, headers } = request;
  const upstream = ask({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
    if (fault === 'lose') return void answer.resume().on('end', () => request.socket.destroy());
    const said = typeof fault === 'object' ? fault.says : {};
    response.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...said });
    let passed = 0;
    answer.on('data', (chunk: Buffer) => {
      passed += chunk.length;
      response.write(chunk);
      if (fault === 'break' && passed > BREAK_AFTER_BYTES) request.socket.destroy();
    });
    answer.on('end', () => response.end());
    answer.on('error', () => request.socket.destroy());
  });
  upstream.on('error', () => request.socket.destroy());
  request.pipe(upstream);
}

export async function startS3Gateway(program: string): Promise<S3Gateway> {
  const root = await mkdtemp(join(tmpdir(), 'sallyport-s3-'));
  const [data, sidecar] = [join(root, 'data'), join(root, 'sidecar')];
  const folder = join(data, 'backups');
  await mkdir(folder, { recursive: true });
  await mkdir(sidecar);
  const [access, secret] = ['backups', randomBytes(20).toString('hex')];
  const port = await randomFreePort();
  const child: ChildProcess = spawn(
    program,
    [
      '--port',
      `127.0.0.1:${port}`,
      '--access',
      access,
      '--secret',
      secret,
      '--quiet',
      'posix',
      '--sidecar',
      sidecar,
      data,
    ],
    { stdio: 'ignore', env: {} },
  );
  const ended = new Promise((done) => child.once('exit', done));
  const answers = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
  await eventually('an answer of the S3 server', answers);
  const requests: string[] = [];
  const gateway: Pick<S3Gateway, 'fault'> = { fault: () => undefined };
  const server = createServer((request, response) => {
    const text = `${request.method} ${request.url}`;
    requests.push(text);
    passOn(request, response, port, gateway.fault(text));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  const below = (pattern: string): string[] => globSync(pattern, { cwd: folder, exclude: () => false }).sort();
  return Object.assign(gateway, {
    env: {
      BACKUP_S3_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      BACKUP_S3_ACCESS_KEY_ID: access,
      BACKUP_S3_SECRET_ACCESS_KEY: secret,
    },
    folder,
    requests,
    keys: () => ({
      objects: below('**/*').filter((name) => !name.startsWith('.')),
      uploads: below('.sgwtmp/multipart/*/*'),
    }),
    stop,
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      await stop();
      await rm(root, { recursive: true, force: true });
    },
  });
}
