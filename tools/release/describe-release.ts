import { execFileSync } from 'node:child_process';

/** Files that differ from the commit, and those that git ignores where everything is handed out. */
export const changedFiles = (root: string): string[] =>
  execFileSync('git', ['status', '--porcelain', '--ignored=matching', '-unormal'], { cwd: root, encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '' && !/^!! (?!deploy\/|prisma\/)/.test(line))
    .map((line) => line.slice(3));

/** What a release must say about itself. */
export type ReleaseFacts = {
  readonly version: string;
  readonly changelog: string;
  /** Of `prisma/releases.json`, oldest first. */
  readonly releases: readonly { readonly version: string; readonly migration: string }[];
  /** Names of all migrations, in order. */
  readonly migrations: readonly string[];
  /** Files that differ from the commit. */
  readonly changed: readonly string[];
};

/** What a release lacks, one sentence each. */
export function lacksOf({ version, changelog, releases, migrations, changed }: ReleaseFacts): string[] {
  const last = releases.at(-1);
  const isDated = new RegExp(`^## \\[${version.replaceAll('.', '\\.')}\\] - \\d{4}-\\d{2}-\\d{2}$`, 'm').test(
    changelog,
  );
  return [
    ...(changed.length > 0 ? [`${changed[0]} is not committed`] : []),
    ...(isDated ? [] : [`CHANGELOG.md has no dated section for ${version}`]),
    ...(last?.version === version ? [] : [`prisma/releases.json ends with ${last?.version}, not ${version}`]),
    ...(last?.migration === migrations.at(-1)
      ? []
      : [
          `prisma/releases.json says that ${last?.version} ends with ${last?.migration}, but ${migrations.at(-1)} is the last`,
        ]),
  ];
}
