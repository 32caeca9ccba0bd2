/** A named SQL statement: prepared once per connection; traces and EXPLAIN tests use its name. */
export type Statement = {
  readonly name: string;
  readonly text: string;
  /** True if the statement changes or locks rows. */
  readonly writes: boolean;
};

const WRITES = /\b(insert into|update|delete from)\b/i;

type StatementTag = (parts: readonly string[], ...values: readonly unknown[]) => Statement;

/**
 * Declares a statement, named by entity, operation and qualifier: ``defineStatement('userDelete')`DELETE FROM …` ``. Every
 * value that it takes in is constant SQL. SQL that a function makes is the second argument.
 */
export function defineStatement(name: string): StatementTag;
export function defineStatement(name: string, text: string): Statement;
export function defineStatement(name: string, text?: string): Statement | StatementTag {
  if (text !== undefined) return { name, text, writes: WRITES.test(text) };
  return (parts, ...values) => defineStatement(name, String.raw({ raw: parts }, ...values).trim());
}
