/**
 * Stand-ins for images that this machine cannot pull: Debian packages, and this checkout's Node, under the names that the
 * Dockerfile and docker-compose.yml use. Each has the label `sallyport.stand-in`, which says what it is made of. A
 * stand-in shows that our files work, not that the original image does.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { madeOnce, onPath } from '../checks/debian-package.ts';
import { collector } from '../stack/programs.ts';
import { type Engine, imageFolder, root } from './engine.ts';

type Say = (text: string) => void;
const LABEL = 'sallyport.stand-in';
const MIRROR = 'http://deb.debian.org/debian';
const roots = join(imageFolder, 'roots');

function run(command: string, args: readonly string[], cwd = root): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed:\n${error?.message ?? ''}${stdout}${stderr}`.slice(0, 4_000));
}

const made = (name: string, make: (folder: string) => void): string => madeOnce(join(roots, name), make);

function debian(suite: string, packages: readonly string[], say: Say, name = suite): string {
  return made(name, (folder) => {
    if (process.getuid?.() !== 0 || !onPath('debootstrap'))
      throw new Error(
        'stand-ins need root and debootstrap\n  fix: sudo apt-get install debootstrap, and run this as root',
      );
    say(`a root file system of Debian ${suite}, some minutes the first time …`);
    run('debootstrap', ['--variant=minbase', suite, folder, MIRROR]);
    if (packages.length > 0) {
      // No service starts in it.
      writeFileSync(join(folder, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
      const inRoot = 'mount -t proc proc "$0/proc" && mount -t devpts devpts "$0/dev/pts" && exec chroot "$0" "$@"';
      const options = ['-q', '-y', '--no-install-recommends', '-o', 'Acquire::Retries=5'];
      const install = ['apt-get', 'install', ...options, ...packages];
      run('unshare', ['--mount', '--fork', 'sh', '-c', inRoot, folder, ...install]);
    }
    rmSync(join(folder, 'var/cache/apt'), { recursive: true, force: true });
    rmSync(join(folder, 'var/lib/apt/lists'), { recursive: true, force: true });
    mkdirSync(join(folder, 'var/cache/apt/archives/partial'), { recursive: true });
    mkdirSync(join(folder, 'var/lib/apt/lists/partial'), { recursive: true });
  });
}

/** This checkout's Node and the machine's npm; the machine's certificates, which its registry may need. */
function nodeRoot(say: Say): string {
  const base = debian('bookworm', [], say);
  const npm = join(spawnSync('npm', ['root', '-g'], { encoding: 'utf8' }).stdout.trim(), 'npm');
  return made('node', (folder) => {
    run('cp', ['-a', `${base}/.`, folder]);
    cpSync(join(root, 'node_modules/node/bin/node'), join(folder, 'usr/local/bin/node'), { dereference: true });
    mkdirSync(join(folder, 'usr/local/lib/node_modules'), { recursive: true });
    run('cp', ['-a', npm, join(folder, 'usr/local/lib/node_modules/npm')]);
    run('ln', ['-s', '../lib/node_modules/npm/bin/npm-cli.js', join(folder, 'usr/local/bin/npm')]);
    const certificates = '/etc/ssl/certs/ca-certificates.crt';
    if (existsSync(certificates)) {
      mkdirSync(dirname(join(folder, certificates)), { recursive: true });
      cpSync(certificates, join(folder, certificates), { dereference: true });
    }
  });
}

const RUNTIME_LINES = [
  'ENV PATH=/usr/local/bin SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt',
  'USER 65532',
  'WORKDIR /home/nonroot',
];
const RUNTIME = ['base-files', 'ca-certificates', 'libc6', 'libgcc-s1', 'libssl3', 'libstdc++6', 'netbase', 'tzdata'];

/** Options of apt for packages of an architecture that this machine does not have, with lists of their own. */
function aptFor(arch: string, folder: string): readonly string[] {
  for (const path of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(folder, path), { recursive: true });
  const settings = [
    ...[`APT::Architecture=${arch}`, `APT::Architectures=${arch}`, 'APT::Sandbox::User=root'],
    ...[`Dir::State=${folder}/state`, `Dir::Cache=${folder}/cache`, 'Dir::State::status=/dev/null'],
  ];
  const options = settings.flatMap((setting) => ['-o', setting]);
  run('apt-get', [...options, 'update', '-q']);
  return options;
}

/** What distroless has: libraries, certificates, time zones, two users; no shell and no package manager. */
const runtimeRoot = (name: string, arch?: string): string =>
  made(name, (folder) => {
    const archives = `${folder}.archives`;
    rmSync(archives, { recursive: true, force: true });
    mkdirSync(archives);
    run('apt-get', [...(arch ? aptFor(arch, archives) : []), 'download', '-q', ...RUNTIME], archives);
    const status = join(folder, 'var/lib/dpkg/status.d');
    mkdirSync(status, { recursive: true });
    for (const archive of globSync('*.deb', { cwd: archives })) {
      run('dpkg-deb', ['-x', archive, folder], archives);
      const control = spawnSync('dpkg-deb', ['-f', archive], { cwd: archives, encoding: 'utf8' }).stdout;
      writeFileSync(join(status, archive.slice(0, archive.indexOf('_'))), control);
    }
    rmSync(archives, { recursive: true });
    for (const path of ['usr/share/doc', 'usr/share/lintian', 'usr/share/man', 'usr/sbin', 'usr/bin', 'bin', 'sbin'])
      rmSync(join(folder, path), { recursive: true, force: true });
    const certificates = globSync('usr/share/ca-certificates/mozilla/*.crt', { cwd: folder }).sort();
    mkdirSync(join(folder, 'etc/ssl/certs'), { recursive: true });
    const bundle = certificates.map((path) => readFileSync(join(folder, path), 'utf8')).join('');
    writeFileSync(join(folder, 'etc/ssl/certs/ca-certificates.crt'), bundle);
    const users = ['root:x:0:0:root:/root:/sbin/nologin', 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin'];
    writeFileSync(join(folder, 'etc/passwd'), `${users.join('\n')}\n`);
    writeFileSync(join(folder, 'etc/group'), 'root:x:0:\nnonroot:x:65532:\n');
    writeFileSync(join(folder, 'etc/nsswitch.conf'), 'hosts: files dns\n');
    for (const path of ['root', 'home/nonroot', 'tmp', 'run', 'proc', 'sys', 'dev'])
      mkdirSync(join(folder, path), { recursive: true });
    run('chown', ['65532:65532', join(folder, 'home/nonroot')]);
    run('chmod', ['1777', join(folder, 'tmp')]);
  });

/** Debian's Python under the name of the official image, with the machine's certificates, which its registry may need. */
function pythonRoot(say: Say): string {
  const base = debian('bookworm', ['ca-certificates', 'python3-venv'], say, 'bookworm-python');
  return made('python', (folder) => {
    run('cp', ['-a', `${base}/.`, folder]);
    run('ln', ['-s', 'python3', join(folder, 'usr/bin/python')]);
    const certificates = '/etc/ssl/certs/ca-certificates.crt';
    if (existsSync(certificates)) cpSync(certificates, join(folder, certificates), { dereference: true });
  });
}

/** Debian sid has the versions nearest to those that docker-compose.yml names. */
const STORES = ['ca-certificates', 'nginx', 'postgresql-18', 'prometheus', 'python3', 'redis-server'];

/** Imports a root file system. It is a layer of its own, so images that begin with it share it. */
function imported(engine: Engine, arch: readonly string[], name: string, folder: string): string {
  const image = `localhost/sallyport-stand-in-${name}:latest`;
  if (engine.ask('image', 'inspect', image).status === 0) return image;
  const archive = `${folder}.tar`;
  run('tar', ['--numeric-owner', '--sort=name', '-C', folder, '-cf', archive, '.']);
  engine.run('import', ...arch, archive, image);
  rmSync(archive);
  return image;
}

type StandIn = {
  readonly of: string;
  /** If it is for another machine than this one. */
  readonly arch?: 'arm64';
  /** Root file system, by the name of its layer. */
  readonly base: (say: Say) => readonly [name: string, folder: string];
  /** Lines of the Containerfile after FROM. */
  readonly lines: readonly string[];
  /** Files beside the Containerfile, in place before the build. */
  readonly files?: (folder: string, say: Say) => void;
};

const stores = (say: Say): readonly [string, string] => ['debian-sid', debian('sid', STORES, say)];
const entry = (name: string) => (folder: string) =>
  cpSync(join(import.meta.dirname, 'stand-ins', `${name}.sh`), join(folder, 'entry.sh'));
const ENTRY = ['COPY --chmod=755 entry.sh /entry.sh', 'ENTRYPOINT ["/entry.sh"]'];

/** By the repository of the image; the tag is the one that asks for it. */
const STAND_INS: Readonly<Record<string, StandIn>> = {
  node: {
    of: 'Debian bookworm (minbase), Node of the npm package `node`, npm of this machine',
    base: (say) => ['node', nodeRoot(say)],
    lines: ['ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt', 'CMD ["node"]'],
  },
  python: {
    of: 'Python 3.11 of Debian bookworm, not the version of the tag',
    base: (say) => ['python', pythonRoot(say)],
    lines: ['ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt', 'CMD ["python"]'],
  },
  'gcr.io/distroless/cc-debian12': {
    of: `unpacked packages of Debian bookworm: ${RUNTIME.join(', ')}`,
    base: () => ['distroless', runtimeRoot('distroless')],
    lines: RUNTIME_LINES,
  },
  'localhost/sallyport-base-arm64': {
    of: `unpacked packages of Debian bookworm for arm64: ${RUNTIME.join(', ')}`,
    arch: 'arm64',
    base: () => ['distroless-arm64', runtimeRoot('distroless-arm64', 'arm64')],
    lines: RUNTIME_LINES,
  },
  postgres: {
    of: 'PostgreSQL 18 of Debian sid; its entry point knows POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE only',
    base: stores,
    lines: ['ENV PATH=/usr/lib/postgresql/18/bin:/usr/bin:/usr/sbin:/bin:/sbin', 'STOPSIGNAL SIGINT', ...ENTRY],
    files: entry('postgres'),
  },
  redis: {
    of: 'Redis of Debian sid',
    base: stores,
    // An entry point takes the command of the base away.
    lines: ['WORKDIR /data', ...ENTRY, 'CMD ["redis-server"]'],
    files: entry('redis'),
  },
  'nginxinc/nginx-unprivileged': {
    of: 'nginx of Debian sid; where Docker’s resolver (127.0.0.11) does not exist, the entry point names that of the network',
    base: stores,
    lines: [...ENTRY, 'USER 101:101'],
    files: entry('nginx'),
  },
  'prom/prometheus': {
    of: 'Prometheus 2 of Debian sid; its entry point knows --web.enable-otlp-receiver of version 3 by its older name',
    base: stores,
    lines: [
      'RUN ["/bin/sh", "-c", "mkdir -p /prometheus && chown 65534:65534 /prometheus"]',
      'WORKDIR /prometheus',
      ...ENTRY,
      'USER 65534:65534',
    ],
    files: entry('prometheus'),
  },
  'otel/opentelemetry-collector-contrib': {
    of: 'the collector of observability/collector/builder.yaml, built from its Go modules: only the components in use',
    base: () => ['distroless', runtimeRoot('distroless')],
    lines: ['COPY --chmod=755 collector /collector', 'USER 10001', 'ENTRYPOINT ["/collector"]'],
    files: (folder, say) => cpSync(collector(say), join(folder, 'collector')),
  },
};

const repositoryOf = (image: string): string => image.replace(/:[^/:]+$/, '');
export const canStandIn = (image: string): boolean => repositoryOf(image) in STAND_INS;

/** What an image is made of if it is a stand-in. */
export function standInOf(engine: Engine, image: string): string | undefined {
  const { stdout } = engine.ask('image', 'inspect', '--format', `{{ index .Config.Labels "${LABEL}" }}`, image);
  return /^(<no value>)?$/.test(stdout.trim()) ? undefined : stdout.trim();
}

function build(engine: Engine, image: string, { arch, base, of, lines, files }: StandIn, say: Say): void {
  const machine = arch === undefined ? [] : [`--arch=${arch}`];
  const from = imported(engine, machine, ...base(say));
  const folder = join(imageFolder, 'stand-ins', repositoryOf(image).replaceAll('/', '-'));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  files?.(folder, say);
  const text = [`FROM ${from}`, ...lines, `LABEL ${LABEL}=${JSON.stringify(of)}`, ''];
  writeFileSync(join(folder, 'Containerfile'), text.join('\n'));
  engine.show(
    'build',
    '-q',
    ...engine.buildOptions,
    ...machine,
    '-t',
    image,
    '-f',
    join(folder, 'Containerfile'),
    folder,
  );
}

/** With its registry, which podman wants named. */
function addressOf(image: string): string {
  const [first = '', ...rest] = image.split('/');
  if (rest.length === 0) return `docker.io/library/${image}`;
  return first.includes('.') ? image : `docker.io/${image}`;
}

/** Makes every image available: present, pulled, or a stand-in, named aloud. @returns those that cannot be had */
export function ensureImages(engine: Engine, images: readonly string[], say: Say): readonly string[] {
  const missing: string[] = [];
  for (const image of new Set(images)) {
    if (engine.ask('image', 'inspect', image).status !== 0)
      if (image.startsWith('localhost/') || engine.ask('pull', '-q', addressOf(image)).status !== 0) {
        const standIn = STAND_INS[repositoryOf(image)];
        if (standIn === undefined) {
          missing.push(image);
          continue;
        }
        say(`${image} cannot be pulled here: making a stand-in`);
        build(engine, image, standIn, say);
      }
    const of = standInOf(engine, image);
    if (of !== undefined) say(`${image} is a STAND-IN: ${of}`);
  }
  return missing;
}

/** Images that a Dockerfile begins with. */
export const basesOf = (dockerfile: string): readonly string[] =>
  [...readFileSync(join(root, dockerfile), 'utf8').matchAll(/^FROM (\S+)/gm)].map(([, image]) => image as string);

/** Images of docker-compose.yml that we do not build, by service. */
export function composeImages(): Readonly<Record<string, string>> {
  const { services } = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
    services: Record<string, { image: string }>;
  };
  return Object.fromEntries(
    Object.entries(services).flatMap(([name, { image }]) => (image.endsWith(':local') ? [] : [[name, image]])),
  );
}
