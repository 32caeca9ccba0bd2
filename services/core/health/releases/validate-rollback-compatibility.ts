/** A version of the product, and the last migration that it has. */
type KnownRelease = { readonly version: string; readonly migration: string };

/** What a migration declares about going back. */
export type MigrationFacts = {
  readonly name: string;
  readonly phase: 'expand' | 'contract';
  readonly down: { readonly sql: string } | { readonly because: string };
};

export type RollbackQuestion = {
  /** The version to go back to. */
  readonly version: string;
  /** Oldest first. */
  readonly releases: readonly KnownRelease[];
  /** Of the version that asks. */
  readonly migrations: readonly MigrationFacts[];
  /** What the database holds, in order. */
  readonly applied: readonly string[];
};

export type RollbackCompatibility = {
  readonly compatible: boolean;
  /** Why or why not, one sentence. */
  readonly reason: string;
  /** Migrations to take back, in that order. */
  readonly reverts: readonly string[];
  /** Migrations that stay, because the version runs with them. */
  readonly keeps: readonly string[];
};

export const refused = (reason: string): RollbackCompatibility => ({
  compatible: false,
  reason,
  reverts: [],
  keeps: [],
});

const some = (names: readonly string[]): string =>
  names.length > 1 ? `${names[0]} and ${names.length - 1} more` : String(names[0]);

/** Why the version cannot go back behind this migration; undefined if it can. */
function obstacleOf({ name, phase, down }: MigrationFacts, version: string): string | undefined {
  if (phase === 'contract' && 'because' in down)
    return `${version} cannot run with migration ${name}, which has no way back because ${down.because}`;
  return undefined;
}

/**
 * Whether this database can go back to an older version. A migration of the phase `expand` may stay: the version before
 * it runs with it. One of the phase `contract` must be taken back, and refuses the rollback if it cannot be.
 */
export function validateRollbackCompatibility(question: RollbackQuestion): RollbackCompatibility {
  const { version, releases, migrations, applied } = question;
  const release = releases.find((each) => each.version === version);
  if (!release)
    return refused(`no version ${version} is known, only ${releases.map((each) => each.version).join(', ')}`);
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  const later = applied.filter((name) => !known.has(name));
  if (later.length > 0)
    return refused(`the database has migrations of a later version (${some(later)}): ask the command of that version`);
  const missing = migrations.filter(({ name }) => name <= release.migration && !applied.includes(name));
  if (missing.length > 0)
    return refused(
      `${version} needs migrations that the database does not have (${some(missing.map(({ name }) => name))}): upgrade`,
    );
  const after = applied.filter((name) => name > release.migration).map((name) => known.get(name)!);
  for (const migration of after) {
    const obstacle = obstacleOf(migration, version);
    if (obstacle !== undefined) return refused(obstacle);
  }
  const isReverted = ({ down }: MigrationFacts): boolean => 'sql' in down;
  const reverts = after
    .filter(isReverted)
    .map(({ name }) => name)
    .reverse();
  const keeps = after.filter((migration) => !isReverted(migration)).map(({ name }) => name);
  const reason =
    after.length === 0
      ? `the schema is that of ${version}`
      : `${version} runs with ${keeps.length} of ${after.length} later migrations; ${reverts.length} are taken back`;
  return { compatible: true, reason, reverts, keeps };
}
