// For tests only: containers of the image.
import { expect } from 'vitest';
import { type Engine, findEngine } from '../../image/engine.ts';
import { ensureImages } from '../../image/stand-ins.ts';
import { eventually } from '../eventually.ts';
import { patiently } from '../flows/flows.ts';
import { send } from '../http-client.ts';

/** What builds and runs the image here, with these images; else says what is skipped and why. */
export function podmanWith(images: readonly string[]): Engine | undefined {
  try {
    const engine = findEngine();
    if (engine.name !== 'podman') throw new Error('podman writes its archive, and here is Docker');
    const missing = ensureImages(engine, images, () => {});
    if (missing.length > 0) throw new Error(`${missing.join(', ')} cannot be had`);
    return engine;
  } catch (err) {
    console.warn(`SKIPPED: the image of a release: ${(err as Error).message.split('\n')[0]}`);
    return undefined;
  }
}

const PROGRAM = `const read = (path) => require('fs').readFileSync(path, 'utf8');
  const [, capabilities] = /CapBnd:\\s+(.*)/.exec(read('/proc/1/status'));
  const { client } = JSON.parse(read('/var/lib/sallyport/dev-credentials.json'));
  console.log(JSON.stringify({ user: process.getuid(), capabilities, client }));`;

/** Waits until the API in a container is ready, and gets a token from it as a client. @returns its user and rights */
export async function useProduct(engine: Engine, container: string, port: number): Promise<object> {
  const api = `http://127.0.0.1:${port}`;
  const isReady = (): Promise<boolean> => send(api, 'GET', '/readyz').then(({ status }) => status === 200);
  await eventually('readiness', () => isReady().catch(() => false));
  const said = engine.run('exec', container, '/app/node_modules/.bin/node', '-e', PROGRAM);
  const { client: basic, ...rights } = JSON.parse(said);
  const form = { grant_type: 'client_credentials' };
  const token = await patiently(() => send(api, 'POST', '/oauth2/token', { basic, form }));
  expect(token).toMatchObject({ status: 200, body: { access_token: expect.any(String) } });
  return rights;
}
