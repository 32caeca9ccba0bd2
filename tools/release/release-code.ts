import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { withFileLock } from '#services/platform/local/file-lock.mjs';
import type { Release } from '#services/platform/postgres/migration-files.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** Node strips types only outside of `node_modules`. */
const KEPT = join(ROOT, '.sallyport/releases');

const run = promisify(execFile);
const OUTPUT_MAX = 16_000_000;

/** The code of an earlier release cannot be had here; the message says why, and what to do. */
export class NoReleaseCode extends Error {}

type KeptRelease = Release & { readonly commit: string };

const hasCode = (release: Release): release is KeptRelease => release.commit !== undefined;

export const isFirstRelease = (releases: readonly Release[], version: string): boolean =>
  releases[0]?.version === version;

/** The newest release before this version whose commit is known. @throws NoReleaseCode */
export function releaseBefore(releases: readonly Release[], version: string): KeptRelease {
  const at = releases.findIndex((each) => each.version === version);
  const found = releases.slice(0, Math.max(at, 0)).findLast(hasCode);
  if (!found) throw new NoReleaseCode(`prisma/releases.json names no commit of a release before ${version}`);
  return found;
}

/** @throws NoReleaseCode */
export function releaseNamed(releases: readonly Release[], version: string): KeptRelease {
  const found = releases.filter(hasCode).find((each) => each.version === version);
  if (!found) throw new NoReleaseCode(`prisma/releases.json names no commit of ${version}`);
  return found;
}

/** The full id of a commit that this clone has. @throws NoReleaseCode */
export async function commitIn(repository: string, commit: string): Promise<string> {
  const git = (...args: readonly string[]) => run('git', args, { cwd: repository });
  const isHere = await git('rev-parse', '--git-dir').then(
    () => true,
    () => false,
  );
  if (!isHere) throw new NoReleaseCode(`${repository} is no git clone, so commit ${commit} cannot be taken out of it`);
  try {
    return (await git('rev-parse', '--verify', '--quiet', `${commit}^{commit}`)).stdout.trim();
  } catch {
    const { stdout } = await git('rev-parse', '--is-shallow-repository');
    throw new NoReleaseCode(
      stdout.trim() === 'true'
        ? `commit ${commit} is not in this shallow clone: git fetch --unshallow`
        : `commit ${commit} is not in this clone: git fetch origin ${commit}`,
    );
  }
}

/** Links the packages of this checkout; what is a checkout's own stays out. */
async function linkPackages(folder: string): Promise<void> {
  const [own, theirs] = [join(ROOT, 'node_modules'), join(folder, 'node_modules')];
  await mkdir(theirs);
  const names = (await readdir(own)).filter((name) => name !== '.cache' && name !== '.sallyport-stamp');
  await Promise.all(names.map((name) => symlink(join(own, name), join(theirs, name))));
}

/**
 * Takes the code of a commit out of git, ready to run, once: `.sallyport/releases/<commit>`. It runs with the packages of
 * this checkout where they are those of its own lock; else its own start installs them.
 * @throws NoReleaseCode
 */
export async function releaseCode(commit: string, say: (text: string) => void): Promise<string> {
  const id = await commitIn(ROOT, commit);
  const folder = join(KEPT, id);
  await mkdir(KEPT, { recursive: true });
  await withFileLock(`${folder}.lock`, async () => {
    if (!existsSync(folder)) {
      say(`taking the code of ${id.slice(0, 10)} out of git …`);
      const making = `${folder}.making`;
      await rm(making, { recursive: true, force: true });
      await mkdir(making);
      await run('git', ['archive', '--format=tar', `--output=${making}.tar`, id], { cwd: ROOT });
      await run('tar', ['-xf', `${making}.tar`, '-C', making]);
      await rm(`${making}.tar`);
      await linkPackages(making);
      await rename(making, folder);
    }
    // Its own bootstrap installs what differs from its lock, and generates its Prisma client.
    await run(process.execPath, ['tools/bootstrap.mjs'], { cwd: folder, maxBuffer: OUTPUT_MAX });
  });
  return folder;
}
