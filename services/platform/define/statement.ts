/** A named SQL statement: prepared once per connection; traces and EXPLAIN tests use its name. */
export type Statement = {
  readonly name: string;
  readonly text: string;
  /** True if the statement changes or locks rows. */
  readonly writes: boolean;
};

const WRITES = /\b(insert into|update|delete from)\b/i;

/** Declares a statement, named by entity, operation and qualifier: `defineStatement('refreshFamilyRotateBatch', 'WITH …')`. */
export const defineStatement = (name: string, text: string): Statement => ({ name, text, writes: WRITES.test(text) });
