/** A named SQL statement: prepared once per connection, traced and EXPLAINed by its name. */
export type Statement = { readonly name: string; readonly text: string };

/** Names SQL by entity, operation, qualifier: `defineStatement('refreshFamilyRotateBatch', 'WITH …')`. */
export function defineStatement(name: string, text: string): Statement {
  return { name, text };
}
