import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What git does not have, and a program of an earlier commit needs. */
const BESIDE_GIT = ['node_modules', 'services/platform/postgres/generated'];

/** @throws what the program said, unless it ended with one of these codes */
function run(command: string, args: readonly string[], cwd: string, fine: readonly number[] = [0]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 64 * 1_024 * 1_024,
  });
  if (!fine.includes(status ?? -1)) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
  return stdout;
}

/** Where this branch left main; on main, the commit before. */
function baseOf(root: string): string {
  const commit = (name: string): string => run('git', ['rev-parse', '--verify', `${name}^{commit}`], root).trim();
  const base = run('git', ['merge-base', 'HEAD', 'origin/main'], root).trim();
  return base === commit('HEAD') ? commit('HEAD~1') : base;
}

/**
 * How the contract of now differs from the one that the same program printed at an earlier commit, as git shows it.
 * @param program path of the program from the root; with `--print` it prints the contract
 */
export function differenceSince(root: string, program: string, now: string, since = baseOf(root)): string {
  const kept = join(root, '.sallyport/contract');
  mkdirSync(kept, { recursive: true });
  const folder = mkdtempSync(join(kept, 'of-'));
  const tree = join(folder, 'tree');
  try {
    run('git', ['worktree', 'add', '--quiet', '--detach', tree, since], root);
    if (!existsSync(join(tree, program))) throw new Error(`${since} has no ${program}: its contract cannot be built`);
    for (const path of BESIDE_GIT.filter((each) => existsSync(join(root, each)))) {
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      symlinkSync(join(root, path), join(tree, path));
    }
    writeFileSync(join(folder, 'before.json'), run(process.execPath, [program, '--print'], tree));
    writeFileSync(join(folder, 'now.json'), now);
    return run('git', ['diff', '--no-index', 'before.json', 'now.json'], folder, [0, 1]);
  } finally {
    run('git', ['worktree', 'remove', '--force', tree], root, [0, 128]);
    rmSync(folder, { recursive: true });
  }
}
