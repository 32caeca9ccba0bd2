import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Engine, imageFolder, madeIn, root } from './engine.ts';
import { imagePackages, outsidePlaces, readLock } from './packages.ts';
import { basesOf, ensureImages, standInOf } from './stand-ins.ts';
import { type Bom, billOfMaterials, type DebianPackage, provenance } from './statements.ts';

type Say = (text: string) => void;
export const TAG = 'sallyport:local';
const MAXIMUM_MEGABYTES = 185;

const git = (...args: string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
const megabytes = (bytes: number): number => Math.ceil(bytes / 2 ** 20);
const sha256Of = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Seconds since 1970 that every file of the image gets: those of the commit, or SOURCE_DATE_EPOCH. */
export const sourceDateEpoch = (): number => Number(process.env.SOURCE_DATE_EPOCH ?? git('log', '-1', '--format=%ct'));

/** Builds the Dockerfile, without what an earlier build kept. */
function buildImage(engine: Engine, tag: string, say: Say): void {
  const bases = basesOf('Dockerfile');
  const missing = ensureImages(engine, bases, say);
  if (missing.length > 0) throw new Error(`base images cannot be had: ${missing.join(', ')}`);
  buildOn(engine, bases.at(-1) as string, tag, '.');
}

export function buildOn(
  engine: Engine,
  base: string,
  tag: string,
  folder: string,
  ...options: readonly string[]
): void {
  const epoch = String(sourceDateEpoch());
  const dated =
    engine.name === 'podman'
      ? // Intermediate images have names of their own, which the history of this one would tell.
        ['--layers=false', '--timestamp', epoch]
      : ['--no-cache', '--build-arg', `SOURCE_DATE_EPOCH=${epoch}`, '--output', 'type=docker,rewrite-timestamp=true'];
  // A base that is a stand-in says so in a label of its own, which the image has too.
  const label = `--label=org.opencontainers.image.base.name=${base}`;
  engine.show('build', ...engine.buildOptions, ...dated, ...options, label, '-t', tag, folder);
}

function inspectImage(engine: Engine, image: string) {
  const [found] = JSON.parse(engine.run('image', 'inspect', image)) as {
    Id: string;
    Size: number;
    Architecture: string;
    Config: { User: string };
  }[];
  if (found === undefined) throw new Error(`no image ${image}`);
  const { Id, Size: bytes, Architecture: architecture, Config } = found;
  return { digest: Id.replace('sha256:', ''), bytes, architecture, user: Config.User };
}

/** The image in a folder as OCI has it: without the id of the container that built it, which Docker's form has. @returns its digest */
export function saveImage(engine: Engine, image: string, folder: string): string {
  engine.run('save', '--format', 'oci-dir', '-o', folder, image);
  const { manifests } = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as {
    manifests: [{ digest: string }];
  };
  return manifests[0].digest;
}

function digestOf(engine: Engine, image: string): string {
  if (engine.name === 'docker') return inspectImage(engine, image).digest;
  return madeIn((folder) => saveImage(engine, image, folder));
}

export type ImageFile = { readonly path: string; readonly mode: string };

/** What helps an intruder, or was left by a developer: a shell, a program that changes its user, TypeScript, settings. */
export function strangeFiles(files: readonly ImageFile[]): readonly string[] {
  const isHelpful = /(^|\/)(sh|bash|dash|ash|busybox|apt|apt-get|dpkg|npm|npx|curl|wget|perl|python3?)$/;
  const isLeft = /^app\/.*\.ts$|^app\/\.env$|^app\/node_modules\/.*(\.d\.[cm]?ts|\.map)$/;
  return files.flatMap(({ mode, path }) => [
    ...(/^[-lh]/.test(mode) && isHelpful.test(path) ? [`${path} helps an intruder`] : []),
    ...(/^-.{2}s|^-.{5}s/.test(mode) ? [`${path} changes its user`] : []),
    ...(isLeft.test(path) ? [`${path} is of a developer`] : []),
  ]);
}

/** Every file of an image, as a container of it sees them. `read` gives the text of one. */
function filesOf<T>(
  engine: Engine,
  image: string,
  use: (files: readonly ImageFile[], read: (path: string) => string) => T,
): T {
  return madeIn((folder) => {
    const archive = join(folder, 'files.tar');
    const container = engine.run('create', image);
    try {
      engine.run('export', '-o', archive, container);
    } finally {
      engine.run('rm', '-f', container);
    }
    const tar = (...args: string[]): string => {
      const { status, stdout, stderr } = spawnSync('tar', args, { encoding: 'utf8', maxBuffer: 256 * 1_024 * 1_024 });
      if (status !== 0) throw new Error(`tar ${args.join(' ')} failed: ${stderr}`);
      return stdout;
    };
    const files = tar('-tvf', archive)
      .trim()
      .split('\n')
      .map((line) => {
        const [mode = '', , , , , ...words] = line.split(/ +/);
        return {
          mode,
          path: words
            .join(' ')
            .replace(/ (->|link to) .*$/, '')
            .replace(/^\.?\//, ''),
        };
      });
    return use(files, (path) => tar('-xOf', archive, path));
  });
}

/** Packages of Debian in a distroless image: one control file each. */
function debianPackages(files: readonly ImageFile[], read: (path: string) => string): readonly DebianPackage[] {
  const field = (text: string, name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1] ?? '';
  return files
    .filter(({ path }) => /^var\/lib\/dpkg\/status\.d\/[^/]+$/.test(path) && !path.endsWith('.md5sums'))
    .map(({ path }) => read(path))
    .map((text) => ({
      name: field(text, 'Package'),
      version: field(text, 'Version'),
      architecture: field(text, 'Architecture'),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** @returns what npm says about the lock file, packages of development included: `--omit=dev` leaves out some that both need */
export const npmBom = (): Bom =>
  JSON.parse(
    execFileSync('npm', ['sbom', '--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=application'], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 64 * 1_024 * 1_024,
    }),
  ) as Bom;

const architectures: Readonly<Record<string, string>> = { amd64: 'x64', arm64: 'arm64' };

/** The npm packages that an image holds, bundled or not, and how its node_modules differ from what must be there. */
function comparePackages(files: readonly ImageFile[], architecture: string) {
  const arch = architectures[architecture] ?? architecture;
  const packages = imagePackages(readLock(), arch);
  const wanted = new Set(outsidePlaces(readLock(), arch));
  const found = new Set(
    files.flatMap(({ path }) => {
      const place = /^app\/((?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/.][^/]*)\/package\.json$/.exec(path)?.[1];
      return place === undefined ? [] : [place];
    }),
  );
  return {
    packages,
    unexpected: [...found].filter((place) => !wanted.has(place)),
    absent: [...wanted].filter((place) => !found.has(place)),
  };
}

export type Report = {
  readonly tag: string;
  readonly megabytes: number;
  readonly packages: number;
  readonly standIns: readonly string[];
  readonly files: Readonly<Record<'sbom' | 'provenance' | 'packages', string>>;
};

/** Builds the image, checks what is in it, and writes the statements about it. @throws if the image holds too much */
export function makeImage(
  engine: Engine,
  tag: string,
  say: Say,
  baseImages = basesOf('Dockerfile'),
  build = buildImage,
): Report {
  const startedAt = new Date();
  build(engine, tag, say);
  const { digest, bytes, architecture, user } = inspectImage(engine, tag);
  const epoch = sourceDateEpoch();
  const out = join(imageFolder, 'statements');
  mkdirSync(out, { recursive: true });
  const files = {
    sbom: join(out, 'sbom.cdx.json'),
    provenance: join(out, 'provenance.intoto.json'),
    packages: join(out, 'packages.json'),
  };
  const write = (path: string, value: unknown): void => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
  const { packages, unexpected, absent, strange } = filesOf(engine, tag, (all, read) => {
    const compared = { ...comparePackages(all, architecture), strange: strangeFiles(all) };
    write(files.sbom, billOfMaterials(npmBom(), compared.packages, debianPackages(all, read), new Date(epoch * 1_000)));
    return compared;
  });
  write(files.packages, packages);
  const bases = baseImages.map((image) => ({
    image,
    digest: inspectImage(engine, image).digest,
    standIn: standInOf(engine, image),
  }));
  const inputs = ['Dockerfile', 'package-lock.json'].map((name) => ({ name, sha256: sha256Of(join(root, name)) }));
  const statement = provenance({
    image: tag,
    imageDigest: digest,
    commit: git('rev-parse', 'HEAD'),
    isDirty: git('status', '--porcelain') !== '',
    builder: `${engine.name} ${engine.run('version', '--format', '{{.Client.Version}}')}`,
    bases: bases.map(({ standIn, ...base }) => (standIn === undefined ? base : { ...base, standIn })),
    inputs,
    sourceDateEpoch: epoch,
    startedAt,
    finishedAt: new Date(),
  });
  write(files.provenance, statement);
  const faults = [
    ...strange.slice(0, 5),
    ...(['nonroot', '65532'].includes(user) ? [] : [`it runs as ${user}`]),
    ...(unexpected.length > 0 ? [`packages that production does not need: ${unexpected.join(', ')}`] : []),
    ...(absent.length > 0 ? [`packages are missing: ${absent.join(', ')}`] : []),
    ...(megabytes(bytes) > MAXIMUM_MEGABYTES ? [`${megabytes(bytes)} MB, more than ${MAXIMUM_MEGABYTES}`] : []),
  ];
  if (faults.length > 0) throw new Error(`${tag} is not as it should be:\n  ${faults.join('\n  ')}`);
  const standIns = bases.flatMap(({ image, standIn }) => (standIn === undefined ? [] : [image]));
  return { tag, megabytes: megabytes(bytes), packages: packages.length, standIns, files };
}

/** Builds again, and compares the digests. @throws with what differs */
export function proveReproducible(engine: Engine, tag: string, say: Say): string {
  const again = `${tag}-again`;
  buildImage(engine, again, say);
  const [digest, second] = [tag, again].map((image) => digestOf(engine, image));
  if (digest !== second) {
    const [one, two] = [tag, again].map((image) =>
      filesOf(engine, image, (files) => files.map(({ mode, path }) => `${mode} ${path}`)),
    ) as [string[], string[]];
    const differ = [...one.filter((line) => !two.includes(line)), ...two.filter((line) => !one.includes(line))];
    throw new Error(
      `a second build is ${second}, not ${digest}; its list of files ${differ.length === 0 ? 'is the same' : `differs: ${differ.slice(0, 20).join(', ')}`}\n  kept as ${again}`,
    );
  }
  engine.run('rmi', again);
  return `a second build without a cache has the same digest, ${digest}`;
}
