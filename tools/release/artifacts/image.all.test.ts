// About: Dockerfile deploy/container/ tools/image/
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { proveReproducible } from '../../image/build.ts';
import { type Engine, findEngine, root } from '../../image/engine.ts';
import { basesOf, ensureImages } from '../../image/stand-ins.ts';
import { readManifest } from './product.ts';

// A build takes a minute, and two on a busy machine.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

/** What builds the image here, with its bases. */
function engineHere(): Engine | undefined {
  try {
    const found = findEngine();
    const missing = ensureImages(found, basesOf('Dockerfile'), () => {});
    if (missing.length > 0) throw new Error(`${missing.join(', ')} cannot be had`);
    return found;
  } catch (err) {
    console.warn(`SKIPPED: the image of a release: ${(err as Error).message.split('\n')[0]}`);
    return undefined;
  }
}
const engine = engineHere() as Engine;

describe.skipIf(engine === undefined)('the image of a release', () => {
  const { version } = readManifest();
  const folder = testFolder();
  const archive = join(folder, 'out', `sallyport-image-${version}-amd64.oci.tar`);
  const read = (path: string): string => execFileSync('tar', ['-xOf', archive, path], { encoding: 'utf8' });

  beforeAll(() => {
    const words = ['--out', join(folder, 'out'), '--only', 'image'];
    execFileSync(process.execPath, [join(import.meta.dirname, 'main.ts'), ...words], { cwd: root, stdio: 'pipe' });
  });

  test('another build has the digest of the one in the archive', () => {
    const [{ digest }] = JSON.parse(read('./index.json')).manifests;
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(proveReproducible(engine, `sallyport:${version}`, () => {})).toContain(digest);
  });
});
