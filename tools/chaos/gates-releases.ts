/** What a rollback of a release that was made for the run left behind. */
export type AfterRollback = {
  /** Tables, and migrations that count as applied, of the release. */
  readonly tables: number;
  readonly applied: number;
  /** Rows that were committed to a table that the release holds, and those that are there. */
  readonly committed: number;
  readonly rows: number;
};

/** What a rollback violated: it is whole or has changed nothing, and loses no row that it holds. */
export function violationOfRollback(
  end: 'whole' | 'refused' | 'cut',
  { tables, applied, committed, rows }: AfterRollback,
  all: number,
): string | undefined {
  if (tables !== applied || (tables !== 0 && tables !== all))
    return `a rollback that was ${end} left ${tables} of ${all} tables and ${applied} of ${all} migrations`;
  if (rows < committed) return `a rollback that was ${end} lost ${committed - rows} rows that hold it`;
  const isBack = tables === 0;
  if (end !== 'cut' && isBack !== (end === 'whole'))
    return `a rollback that was ${end} left ${tables} of ${all} tables`;
  return undefined;
}
