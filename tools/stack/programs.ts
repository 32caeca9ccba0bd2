import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { ensureProgram, goProgram, librariesOf, madeOnce } from '../checks/debian-package.ts';

export const root = resolve(import.meta.dirname, '../..');

export const prometheus = (): string =>
  ensureProgram({ package: 'prometheus', name: 'prometheus', path: 'usr/bin/prometheus' });

export const nginx = (): string => ensureProgram({ package: 'nginx', name: 'nginx', path: 'usr/sbin/nginx' });

const HAPROXY = {
  package: 'haproxy',
  name: 'haproxy',
  path: 'usr/sbin/haproxy',
  libraries: {
    'liblua5.3-0': 'liblua5.3.so.0',
    'libopentracing-c-wrapper0': 'libopentracing-c-wrapper.so.0',
    libopentracing1: 'libopentracing.so.1',
  },
};

/** HAProxy, and the environment that it needs. */
export const haproxyProgram = (): { readonly program: string; readonly env: { LD_LIBRARY_PATH?: string } } => ({
  program: ensureProgram(HAPROXY),
  env: librariesOf(HAPROXY),
});

/**
 * The collector, built once from its Go modules: some ten minutes on two cores.
 * @throws with what to install
 */
export function collector(say: (text: string) => void): string {
  const manifest = parse(readFileSync(join(root, 'observability/collector/builder.yaml'), 'utf8')) as {
    dist: { name: string; version: string };
  };
  const { dist } = manifest;
  const build = (folder: string): void => {
    const go = goProgram();
    if (!go) throw new Error('the collector is not built yet, and there is no Go to build it with: install Go 1.25');
    say(`building the collector ${dist.version} once from its Go modules, some ten minutes …`);
    const builder = `go.opentelemetry.io/collector/cmd/builder@v${dist.version}`;
    const own = join(folder, 'builder.yaml');
    writeFileSync(own, stringify({ ...manifest, dist: { ...dist, output_path: folder } }));
    const args = ['run', builder, '--config', own];
    const env = { ...process.env, GOFLAGS: '-buildvcs=false', PATH: `${dirname(go)}:${process.env.PATH}` };
    if (spawnSync(go, args, { cwd: folder, env, stdio: ['ignore', 2, 2] }).status !== 0)
      throw new Error(`the collector could not be built: go ${args.join(' ')}`);
  };
  return join(madeOnce(join(root, 'node_modules/.cache/sallyport/collector', dist.version), build), dist.name);
}

const JAEGER = { module: 'github.com/jaegertracing/jaeger', version: 'v1.76.0' };

/**
 * Jaeger, built once from its Go module: some ten minutes on two cores. The module replaces one of another, so that Go
 * builds it only as the main module. It has no files of its pages: it answers queries and shows none.
 * @throws with what to install
 */
export function jaeger(say: (text: string) => void): string {
  const build = (folder: string): void => {
    const go = goProgram();
    if (!go) throw new Error('Jaeger is not built yet, and there is no Go to build it with: install Go 1.25');
    say(`building Jaeger ${JAEGER.version} once from its Go module, some ten minutes …`);
    const run = (cwd: string, ...args: string[]): string => {
      const ran = spawnSync(go, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 2] });
      if (ran.status === 0) return ran.stdout;
      throw new Error(`Jaeger could not be built: go ${args.join(' ')} failed in ${cwd}`);
    };
    const module = JSON.parse(run(folder, 'mod', 'download', '-json', `${JAEGER.module}@${JAEGER.version}`)) as {
      Dir: string;
    };
    run(module.Dir, 'build', '-buildvcs=false', '-o', join(folder, 'jaeger'), './cmd/jaeger');
  };
  return join(madeOnce(join(root, 'node_modules/.cache/sallyport/jaeger', JAEGER.version), build), 'jaeger');
}
