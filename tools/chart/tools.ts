/** helm, kwok and Kubernetes, built once from their Go modules if they are not on PATH. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { madeOnce, onPath } from '../checks/debian-package.ts';
import { ensureGo } from '../checks/go-program.ts';

type Say = (text: string) => void;
export const KUBERNETES = 'v1.34.3';
const [, MAJOR, MINOR] = /^v(\d+)\.(\d+)\./.exec(KUBERNETES) as RegExpExecArray;
const cache = resolve(import.meta.dirname, '../../node_modules/.cache/sallyport');

const helmVersion = ['pkg/lint/rules', 'pkg/chartutil'].flatMap((part) => [
  `-X helm.sh/helm/v3/${part}.k8sVersionMajor=${MAJOR}`,
  `-X helm.sh/helm/v3/${part}.k8sVersionMinor=${MINOR}`,
]);

function goTool(name: string, module: string, version: string, flags: readonly string[], say: Say): string {
  const found = onPath(name);
  if (found !== undefined) return found;
  const folder = madeOnce(join(cache, `${name}-${version}`), (unfinished) => {
    say(`building ${name} ${version} once from its Go module, some minutes …`);
    const go = ensureGo();
    const env = {
      ...process.env,
      PATH: `${dirname(go)}:${process.env.PATH}`,
      GOBIN: unfinished,
      GOFLAGS: '-buildvcs=false',
      CGO_ENABLED: '0',
    };
    const args = ['install', '-ldflags', ['-s', '-w', ...flags].join(' '), `${module}@${version}`];
    if (spawnSync(go, args, { cwd: unfinished, env, stdio: ['ignore', 2, 2] }).status !== 0)
      throw new Error(`${name} could not be built: Go must reach its module proxy (GOPROXY) once`);
  });
  return join(folder, name);
}

export const helm = (say: Say): string => goTool('helm', 'helm.sh/helm/v3/cmd/helm', 'v3.19.5', helmVersion, say);

/** kwok, which plays the nodes of a cluster and what runs on them. */
export const kwok = (say: Say): string => goTool('kwok', 'sigs.k8s.io/kwok/cmd/kwok', 'v0.7.0', [], say);

/** The folder of kube-apiserver, kube-controller-manager and kube-scheduler, built once from their Go module. */
export const kubernetesPrograms = (say: Say): string =>
  madeOnce(join(cache, `kubernetes-${KUBERNETES}`), (unfinished) => {
    say(`building the API server, controllers and scheduler of Kubernetes ${KUBERNETES} once, some ten minutes …`);
    cpSync(join(import.meta.dirname, 'kubernetes'), unfinished, { recursive: true });
    const version = 'k8s.io/component-base/version';
    const named = [`gitVersion=${KUBERNETES}`, `gitMajor=${MAJOR}`, `gitMinor=${MINOR}`].map(
      (is) => `-X ${version}.${is}`,
    );
    const parts = ['apiserver', 'controller-manager', 'scheduler'];
    const programs = parts.map((name) => `k8s.io/kubernetes/cmd/kube-${name}`);
    const flags = ['-trimpath', '-ldflags', ['-s', '-w', ...named].join(' ')];
    const args = ['build', ...flags, '-o', `${unfinished}/`, ...programs];
    const env = { ...process.env, GOFLAGS: '-buildvcs=false', CGO_ENABLED: '0' };
    if (spawnSync(ensureGo(), args, { cwd: unfinished, env, stdio: ['ignore', 2, 2] }).status !== 0)
      throw new Error('Kubernetes could not be built: Go must reach its module proxy (GOPROXY) once');
  });

/** A file of a Go module, read from where Go keeps it. */
export function goModuleFile(module: string, version: string, path: string): string {
  mkdirSync(cache, { recursive: true });
  const args = ['mod', 'download', '-json', `${module}@${version}`];
  const { status, stdout, stderr } = spawnSync(ensureGo(), args, { cwd: cache, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the Go module ${module} could not be fetched:\n${stdout}${stderr}`);
  return readFileSync(join((JSON.parse(stdout) as { Dir: string }).Dir, path), 'utf8');
}
