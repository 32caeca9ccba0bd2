/** Verifiers and clients as packages of npm, Python and Go; the chart and the units as archives. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { environmentOf, findPython, PYTHON_PACKAGE, pythonIn, run } from '../../checks/python-environment.ts';
import { madeIn, root } from '../../image/engine.ts';
import { type Entry, entriesBelow, tarGz, trackedIn, zip } from './archive.ts';
import { readManifest } from './product.ts';

export type Artifact = { readonly name: string; readonly bytes: Buffer };

const read = (folder: string, path: string): Buffer => readFileSync(join(root, folder, path));

/** As `npm pack` does, with types. */
function npmPackage(folder: string): Artifact {
  const { name, version, files } = readManifest(join(root, folder)) as ReturnType<typeof readManifest> & {
    readonly files: readonly string[];
  };
  const compiled = madeIn((out) => {
    run(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json', '--outDir', out], join(root, folder));
    return entriesBelow(out, 'package/dist');
  });
  const others = ['package.json', 'README.md', 'LICENSE', ...files.filter((file) => file !== 'dist')];
  const entries = others.map((path): Entry => ({ path: `package/${path}`, bytes: read(folder, path) }));
  return {
    name: `${name.replace('@', '').replace('/', '-')}-${version}.tgz`,
    bytes: tarGz([...compiled, ...entries]),
  };
}

export const npmPackages = (): Artifact[] => ['sdks/typescript', 'sdks/client', 'sdks/react'].map(npmPackage);

/** Wheel and source distribution. hatchling dates every file itself. */
export const pythonPackages = (): Artifact[] =>
  madeIn((out) => {
    const python = pythonIn(environmentOf(findPython(), [join(PYTHON_PACKAGE, 'requirements.txt')]));
    run(python, ['-m', 'hatchling', 'build', '-t', 'wheel', '-t', 'sdist', '-d', out]);
    return readdirSync(out).map((name) => ({ name, bytes: readFileSync(join(out, name)) }));
  });

const archiveOf = (folder: string, prefix: string): Buffer =>
  tarGz(trackedIn(join(root, folder)).map((path) => ({ path: `${prefix}/${path}`, bytes: read(folder, path) })));

const GO = 'sallyport.example/verifier';

/** A folder for GOPROXY: both modules, each in the form of the Go module proxy. */
export function goModules(epochSeconds: number): Artifact[] {
  const version = `v${readManifest(join(root, 'sdks/typescript')).version}`;
  const info = Buffer.from(JSON.stringify({ Version: version, Time: new Date(epochSeconds * 1_000).toISOString() }));
  const files = trackedIn(join(root, 'sdks/go'));
  const moduleOf = (below: string, isOurs: (path: string) => boolean): Entry[] => {
    const place = `${GO}${below}/@v`;
    const inside = files.filter(isOurs).map((path) => ({
      path: `${GO}${below}@${version}/${path.slice(below.length)}`,
      bytes: read('sdks/go', path),
    }));
    return [
      { path: `${place}/list`, bytes: Buffer.from(`${version}\n`) },
      { path: `${place}/${version}.info`, bytes: info },
      { path: `${place}/${version}.mod`, bytes: read('sdks/go', `${below.slice(1)}/go.mod`) },
      { path: `${place}/${version}.zip`, bytes: zip(inside) },
    ];
  };
  const isGin = (path: string): boolean => path.startsWith('gin/');
  const entries = [...moduleOf('', (path) => !isGin(path)), ...moduleOf('/gin', isGin)];
  return [{ name: `sallyport-go-${version.slice(1)}.zip`, bytes: zip(entries) }];
}

/** The chart as `helm package` lays it out, the units of systemd, and the compose file with the version of the image. */
export function deployments(): Artifact[] {
  const { version } = readManifest();
  return [
    { name: `sallyport-chart-${version}.tgz`, bytes: archiveOf('deploy/helm', 'sallyport') },
    { name: `sallyport-systemd-${version}.tar.gz`, bytes: archiveOf('deploy/systemd', 'systemd') },
    {
      name: `sallyport-compose-${version}.yaml`,
      bytes: Buffer.from(read('deploy/compose', 'compose.yaml').toString().replace('VERSION', version)),
    },
  ];
}
