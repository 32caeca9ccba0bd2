import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** A built file of the console, and its compressed text. */
export type ConsoleFile = { readonly type: string; readonly plain: Buffer; readonly gzip: Buffer };

export type ConsoleFiles = {
  /** The page; undefined if the console was not built. */
  readonly page: ConsoleFile | undefined;
  readonly assets: ReadonlyMap<string, ConsoleFile>;
};

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

const fileOf = (path: string, plain = readFileSync(path)): ConsoleFile => {
  const type = TYPES[path.slice(path.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
  return { type, plain, gzip: gzipSync(plain, { level: 9 }) };
};

/**
 * Reads the folder that `console/` is built into. A few hundred kilobytes, which stay in memory.
 * @param style of the page, before the rules of the console
 */
export function readConsoleFiles(folder: string, style: string): ConsoleFiles {
  try {
    const names = readdirSync(join(folder, 'assets'));
    const path = join(folder, 'index.html');
    const page = readFileSync(path, 'utf8').replace('<title>', () => `<style>${style}</style><title>`);
    return {
      page: fileOf(path, Buffer.from(page)),
      assets: new Map(names.map((name) => [name, fileOf(join(folder, 'assets', name))])),
    };
  } catch {
    return { page: undefined, assets: new Map() };
  }
}
