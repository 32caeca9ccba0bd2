import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { sourceFiles } from './test-titles.ts';

const root = resolve(import.meta.dirname, '../..');

/** Mermaid as one script, which only this check runs: it is no package of the project. */
const MERMAID = {
  package: '@mermaid-js/tiny@12.0.0',
  file: 'package/dist/mermaid.tiny.js',
  sha512: 'ZW9YXy+3tSLPscBT+NnQO0K0qYH7BGES5nExl6Snoygey7xd2N0cO7Nq30N5k/u7gIeYoCrldyVy+VTCMWrNDQ==',
} as const;

/** Path of the script, fetched once from the registry of npm. @throws if the package is not the pinned one */
export function ensureMermaid(): string {
  const folder = join(root, 'node_modules/.cache/sallyport', MERMAID.package.replaceAll('/', '+'));
  const script = join(folder, MERMAID.file);
  if (existsSync(script)) return script;
  mkdirSync(dirname(folder), { recursive: true });
  const fresh = mkdtempSync(`${folder}-`);
  try {
    const packed = execFileSync('npm', ['pack', MERMAID.package, '--silent', '--pack-destination', fresh], {
      encoding: 'utf8',
    }).trim();
    const archive = join(fresh, packed);
    const sha512 = createHash('sha512').update(readFileSync(archive)).digest('base64');
    if (sha512 !== MERMAID.sha512) throw new Error(`${MERMAID.package} has another content than the pinned one`);
    execFileSync('tar', ['-xzf', archive, '-C', fresh]);
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
    return script;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

export type Drawing = { readonly page: string; readonly line: number; readonly text: string };

/** Every Mermaid drawing of a page. */
export const drawingsIn = (page: string, markdown: string): Drawing[] =>
  [...markdown.matchAll(/^```mermaid\n([\s\S]*?)^```$/gm)].map((found) => ({
    page,
    line: markdown.slice(0, found.index).split('\n').length,
    text: found[1] as string,
  }));

export const drawings = (): Drawing[] =>
  sourceFiles(root, '**/*.md').flatMap((page) => drawingsIn(page, readFileSync(join(root, page), 'utf8')));
