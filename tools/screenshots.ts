// `npm run screenshots [-- [--against COMMIT] FILES]`: images of the pages that these tests (by default all) look at, in
// light and dark, wide and narrow, in .sallyport/screenshots; index.html there shows each beside the one of the commit.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..');
const IMAGES = join(ROOT, '.sallyport/screenshots');
const TREE = join(ROOT, '.sallyport/screenshots-of-commit');
const files = process.argv.slice(2);
const [, commit] = files[0] === '--against' ? files.splice(0, 2) : [];

/** A test that fails keeps its images too. */
function take(tree: string, folder: string): number {
  rmSync(join(IMAGES, folder), { recursive: true, force: true });
  mkdirSync(join(IMAGES, folder), { recursive: true });
  const env = { ...process.env, PAGE_SCREENSHOTS: join(IMAGES, folder) };
  const run = (...args: string[]) =>
    spawnSync(process.execPath, args, { cwd: tree, env, stdio: 'inherit' }).status ?? 1;
  return run('tools/bootstrap.mjs') || run('tools/t.ts', ...(files.length === 0 ? ['services/pages'] : files));
}

/** The name of an image without what differs from run to run: ids, and addresses of people. */
const sameName = (name: string): string => name.replaceAll(/(?=[a-f\d]*\d)[a-f\d]{4,}/g, '');

process.exitCode = take(ROOT, 'now');
if (commit !== undefined) {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: ROOT, stdio: 'inherit' });
  git('worktree', 'add', '--force', '--detach', TREE, commit);
  symlinkSync(join(ROOT, 'node_modules'), join(TREE, 'node_modules'));
  take(TREE, 'then');
  git('worktree', 'remove', '--force', TREE);
  const then = new Map(readdirSync(join(IMAGES, 'then')).map((name) => [sameName(name), name]));
  const image = (path: string): string => `<img loading="lazy" width="49%" src="${path}" alt="">`;
  const rows = readdirSync(join(IMAGES, 'now')).map((name) => {
    const before = then.get(sameName(name));
    return `<h2>${name}</h2>${before === undefined ? 'new' : image(`then/${before}`)} ${image(`now/${name}`)}`;
  });
  writeFileSync(join(IMAGES, 'index.html'), `<!doctype html><meta charset="utf-8">${rows.join('\n')}`);
}
