// Serves both examples on a port of their own, as the site of an application; a bundler turns the React one into a script.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { rolldown } from 'rolldown';

const FOLDER = import.meta.dirname;
const types: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript' };
const files = new Map(
  ['browser/index.html', 'react/index.html', 'sallyport.js', 'config.js'].map((path) => [
    `/${path}`,
    join(FOLDER, path),
  ]),
);

async function reactScript(): Promise<string> {
  const bundle = await rolldown({
    input: join(FOLDER, 'react/app.jsx'),
    platform: 'browser',
    // The page imports it at run time, like the other example.
    external: [/config\.js$/],
    transform: { define: { 'process.env.NODE_ENV': '"production"' } },
  });
  const { output } = await bundle.generate({ format: 'esm' });
  await bundle.close();
  return output[0].code;
}

export type ExampleSite = {
  readonly origin: string;
  close(): Promise<void>;
};

/** @param apiOf gives the address of the API in place of the one in config.js */
export async function serveExamples(port: number, apiOf?: () => string): Promise<ExampleSite> {
  const react = await reactScript();
  const contentOf = async (path: string): Promise<string | undefined> => {
    if (path === '/react/app.js') return react;
    if (path === '/config.js' && apiOf) return `export const API = ${JSON.stringify(apiOf())};\n`;
    const file = files.get(path);
    return file && readFile(file, 'utf8');
  };
  const server = createServer(async (request, reply) => {
    const { pathname } = new URL(request.url ?? '/', 'http://site.invalid');
    const path = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
    const content = await contentOf(path);
    reply.writeHead(content === undefined ? 404 : 200, {
      'content-type': types[path.split('.').at(-1) ?? ''] ?? 'text/plain',
    });
    reply.end(content ?? 'Not found: see /browser/ and /react/\n');
  });
  await new Promise<void>((done, fail) => server.once('error', fail).listen(port, '127.0.0.1', done));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename) {
  const { SALLYPORT_API: api } = process.env;
  const { origin } = await serveExamples(5173, api === undefined ? undefined : () => api);
  process.stdout.write(
    `A page:  ${origin}/browser/\nReact:   ${origin}/react/\nStart the API with CORS_ORIGINS=${origin}. Ctrl-C stops this.\n`,
  );
}
