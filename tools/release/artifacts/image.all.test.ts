// About: Dockerfile deploy/container/ deploy/compose/ tools/image/
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { onServer, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { podmanWith, useProduct } from '#tools/testing/processes/image-container.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { environmentOf, findPython, pythonIn } from '../../checks/python-environment.ts';
import { proveReproducible } from '../../image/build.ts';
import { type Engine, root } from '../../image/engine.ts';
import { basesOf, standInOf } from '../../image/stand-ins.ts';
import { readManifest } from './product.ts';

// A build cannot be interrupted here: a limit would only refuse one that has ended well on a busy machine.
vi.setConfig({ hookTimeout: 0, testTimeout: 0 });

const engine = podmanWith([...basesOf('Dockerfile'), 'postgres:18.1', 'redis:8.2.3']) as Engine;

describe.skipIf(engine === undefined)('the image of a release', () => {
  const { version } = readManifest();
  const folder = testFolder();
  const tag = `localhost/sallyport:${version}`;
  /** The file that the README gives to a command. */
  const fileOf = (command: string): string => {
    const [, after = ''] = readFileSync(join(root, 'README.md'), 'utf8').split(`${command} `);
    return join(folder, 'out', after.split(/[` ]/, 1).join().replace('VERSION', version));
  };
  const archive = fileOf('podman load -i');
  const readArchive = (path: string): string => execFileSync('tar', ['-xOf', archive, path], { encoding: 'utf8' });

  beforeAll(() => {
    const words = ['--out', join(folder, 'out'), '--only', 'image,deployments'];
    execFileSync(process.execPath, [join(import.meta.dirname, 'main.ts'), ...words], { cwd: root, stdio: 'pipe' });
    engine.run('rmi', tag);
    engine.run('load', '-i', archive);
  });

  test('another build has the digest of the one in the archive', () => {
    const [{ digest }] = JSON.parse(readArchive('./index.json')).manifests;
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(proveReproducible(engine, tag, () => {})).toContain(digest);
  });

  test('its labels name its base', () => {
    const base = basesOf('Dockerfile').at(-1) as string;
    const labels = JSON.parse(engine.run('image', 'inspect', '--format', '{{ json .Labels }}', tag));
    expect(labels['org.opencontainers.image.base.name']).toBe(base);
    expect(labels['sallyport.stand-in']).toBe(standInOf(engine, base));
  });

  test('that for arm64 has binaries for it alone, and its labels say that it was not run', () => {
    engine.run('load', '-i', archive.replace('amd64', 'arm64'));
    const [{ Architecture, Labels }] = JSON.parse(engine.run('image', 'inspect', `${tag}-arm64`));
    expect([Architecture, Labels['sallyport.assembled']]).toEqual(['arm64', expect.stringMatching(/not run$/)]);
    expect(Labels['sallyport.stand-in']).toMatch(/for arm64/);
  });

  test('read-only and without rights, `migrate` ends, the API gives a token, and SIGTERM ends it with 0', async () => {
    const name = `image_${randomBytes(6).toString('hex')}`;
    await onServer((admin) => admin.query(`CREATE DATABASE ${name}`));
    onTestFinished(async () => {
      engine.ask('rm', '-f', name);
      engine.ask('volume', 'rm', '-f', name);
      await onServer((admin) => admin.query(`DROP DATABASE ${name} WITH (FORCE)`));
    });
    const url = new URL(inject('templateUrl'));
    url.pathname = `/${name}`;
    const [port, metricsPort] = [await randomFreePort(), await randomFreePort()];
    const settings = [
      ...[`DATABASE_URL=${url}`, `REDIS_URL=${testRedisUrl()}`, 'SALLYPORT_PROFILE=development', 'HOST=127.0.0.1'],
      ...[`BETTER_AUTH_SECRET=${randomBytes(32).toString('base64')}`, `PORT=${port}`, `METRICS_PORT=${metricsPort}`],
    ].map((setting) => `--env=${setting}`);
    const confined = '--read-only --read-only-tmpfs=false --tmpfs=/tmp --cap-drop=all --security-opt=no-new-privileges';
    const run = ['run', ...confined.split(' '), '--network=host', `--volume=${name}:/var/lib/sallyport`, ...settings];
    engine.run(...run, '--rm', tag, 'migrate');
    engine.run(...run, '--detach', `--name=${name}`, tag);
    const rights = await useProduct(engine, name, port);
    expect(rights).toEqual({ user: 65_532, capabilities: '0000000000000000' });
    engine.run('stop', '--time=30', name);
    expect(engine.run('inspect', '--format', '{{ .State.ExitCode }}', name)).toBe('0');
  });

  test('podman-compose starts it with its stores from the file of the release, and stops it with 0', async () => {
    const tools = environmentOf(findPython(), [join(root, 'tools/containers/podman-compose-requirements.txt')]);
    const project = `image_${randomBytes(6).toString('hex')}`;
    const port = await randomFreePort();
    const env = {
      ...process.env,
      ...engine.env,
      PORT: String(port),
      POSTGRES_PASSWORD: randomBytes(18).toString('hex'),
    };
    const compose = (...words: string[]): string => {
      const program = ['-m', 'podman_compose', '-f', fileOf('podman-compose -f'), '-p', project];
      return execFileSync(pythonIn(tools), [...program, ...words], { env, stdio: 'pipe', encoding: 'utf8' });
    };
    onTestFinished(() => void compose('down', '--volumes'));
    compose('up', '--detach');
    const container = `${project}_sallyport_1`;
    expect(await useProduct(engine, container, port)).toMatchObject({ user: 65_532 });
    const url = `http://localhost:${port}`;
    expect(await (await fetch(`${url}/.well-known/openid-configuration`)).json()).toMatchObject({ issuer: url });
    const entry = ['/app/node_modules/.bin/node', 'deploy/container/entry.mjs'];
    expect(compose('exec', '-T', 'sallyport', ...entry, 'demo', 'env')).toContain('export DEMO_PASSWORD=');
    compose('stop', '--timeout', '30');
    expect(engine.run('inspect', '--format', '{{ .State.ExitCode }}', container)).toBe('0');
  });
});
