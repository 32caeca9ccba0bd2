import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const textOf = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined);

/** The git directory of a checkout; that of a work tree is named in a file. */
function gitDirOf(root: string): string | undefined {
  const place = resolve(root, '.git');
  if (existsSync(resolve(place, 'HEAD'))) return place;
  try {
    const linked = /^gitdir: (.+)$/m.exec(readFileSync(place, 'utf8'))?.[1];
    return linked === undefined ? undefined : resolve(root, linked);
  } catch {
    return undefined;
  }
}

/** The commit of a checkout, 40 hex digits; undefined outside of one. */
export function commitOf(root: string = ROOT): string | undefined {
  const dir = gitDirOf(root);
  if (dir === undefined) return undefined;
  const head = textOf(resolve(dir, 'HEAD')) ?? '';
  const ref = /^ref: (.+)$/.exec(head)?.[1];
  if (ref === undefined) return head || undefined;
  const shared = resolve(dir, textOf(resolve(dir, 'commondir')) ?? '.');
  const packed = textOf(resolve(shared, 'packed-refs'))?.split('\n') ?? [];
  return textOf(resolve(shared, ref)) ?? packed.find((line) => line.endsWith(` ${ref}`))?.split(' ')[0];
}
