// Serves both examples on a port of their own, as the site of an application; a bundler turns the React one into a script.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { rolldown } from 'rolldown';

const FOLDER = import.meta.dirname;
const REACT = resolve(FOLDER, '../sdks/react');
const types: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript', css: 'text/css' };
const files: Readonly<Record<string, string>> = {
  '/browser/index.html': join(FOLDER, 'browser/index.html'),
  '/react/index.html': join(FOLDER, 'react/index.html'),
  '/style.css': join(FOLDER, 'style.css'),
  '/sallyport.css': join(REACT, 'styles.css'),
};
/** In an application, a bundler and npm do this. */
const scripts: Readonly<Record<string, string>> = {
  '/react/app.js': join(FOLDER, 'react/app.jsx'),
  '/sallyport.js': join(REACT, 'src/session.ts'),
};

/** A program for browsers. @param input its file */
async function bundleForBrowsers(input: string): Promise<string> {
  const bundle = await rolldown({
    input,
    platform: 'browser',
    // It warns of 'use client', which is for servers.
    logLevel: 'silent',
    // The page imports it at run time, like the other example.
    external: [/config\.js$/],
    resolve: { alias: { '@sallyport/react': join(REACT, 'src/index.ts') } },
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

export type ExampleSettings = {
  /** 0: any. */
  readonly port: number;
  /** Whether to take the next free port if this one is taken, as other development servers do. */
  readonly mayMove?: boolean;
  /** The address of the API. */
  readonly apiOf: () => string;
  /** The name of this machine in the origin: that of the API, because cookies belong to it. */
  readonly host?: string;
};

/** Serves the pages on this machine. Rejects if the port is taken. */
export async function serveExamples(settings: ExampleSettings): Promise<ExampleSite> {
  const { port, mayMove = false, apiOf, host = 'localhost' } = settings;
  const bundled = new Map<string, string>();
  for (const [path, input] of Object.entries(scripts)) bundled.set(path, await bundleForBrowsers(input));
  const contentOf = async (path: string): Promise<string | undefined> => {
    if (path === '/config.js') return `export const API = ${JSON.stringify(apiOf())};\n`;
    const file = files[path];
    return file === undefined ? bundled.get(path) : readFile(file, 'utf8');
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
  const listening = await new Promise<boolean>((done, fail) => {
    server.once('error', (err: NodeJS.ErrnoException) =>
      mayMove && err.code === 'EADDRINUSE' ? done(false) : fail(err),
    );
    server.listen(port, '127.0.0.1', () => done(true));
  });
  if (!listening) return serveExamples({ ...settings, port: port + 1 });
  return {
    origin: `http://${host}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename) {
  const { SALLYPORT_API: api = 'http://localhost:3000', EXAMPLES_PORT: port } = process.env;
  const { hostname: host } = new URL(api);
  const { origin } = await serveExamples({ port: Number(port || 5173), mayMove: !port, apiOf: () => api, host });
  process.stdout.write(
    `A page:  ${origin}/browser/\nReact:   ${origin}/react/\nThe API is ${api} (SALLYPORT_API): start it by npm start. Ctrl-C stops this.\n`,
  );
}
