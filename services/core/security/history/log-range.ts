/** Sequence numbers of the sealed log: after the first, up to and including the last. */
export type LogRange = { readonly after: number; readonly upTo: number };

/** SQL: a timestamp as milliseconds since 1970. */
export const msOf = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::float8`;
