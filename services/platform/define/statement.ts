/** A named SQL statement: prepared once per connection, traced and EXPLAINed by its name. */
export type Statement = {
  readonly name: string;
  readonly text: string;
  /** Its text changes or locks rows. */
  readonly writes: boolean;
};

const WRITES = /\b(insert into|update|delete from)\b/i;

/** Names SQL by entity, operation, qualifier: `defineStatement('refreshFamilyRotateBatch', 'WITH …')`. */
export function defineStatement(name: string, text: string): Statement {
  return { name, text, writes: WRITES.test(text) };
}
