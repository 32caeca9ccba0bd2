import { safeMessage } from '#observability/log-errors.ts';

const DENIED = /^permission denied for (table|view|sequence|schema|function) ("?[\w$.]+"?)/;
const WRITES = { INSERT: 'INSERT INTO', UPDATE: 'UPDATE', DELETE: 'DELETE FROM', TRUNCATE: 'TRUNCATE' } as const;
/** A lock of rows needs the right to change them. */
const LOCK = /\bFOR (?:NO KEY UPDATE|UPDATE|SHARE|KEY SHARE)\b/i;

/** What a statement does to a table, of which PostgreSQL names only the table. */
function verbsOn(table: string, text: string): string {
  const written = Object.entries(WRITES).filter(([, words]) =>
    new RegExp(`\\b${words}\\s+(?:ONLY\\s+|TABLE\\s+)?(?:"?\\w+"?\\.)?"?${table.replaceAll(/\W/g, '')}\\b`, 'i').test(
      text,
    ),
  );
  if (written.length > 0) return written.map(([verb]) => verb).join(', ');
  return LOCK.test(text) ? 'SELECT, UPDATE' : 'SELECT';
}

/** The right that a statement lacks, in the words of GRANT; undefined if the refusal is about no object of ours. */
function grantOf(text: string, message: string): { right: string; object: string } | undefined {
  const [, kind, name] = DENIED.exec(message) ?? [];
  if (kind === undefined || name === undefined) return undefined;
  if (kind === 'schema') return { right: 'USAGE', object: `SCHEMA ${name}` };
  if (kind === 'function') return { right: 'EXECUTE', object: `FUNCTION ${name}` };
  if (kind === 'sequence') return { right: 'USAGE', object: `SEQUENCE ${name}` };
  return { right: verbsOn(name, text), object: name };
}

/** PostgreSQL refuses the role of a connection a statement of ours (42501): its rights and the product's do not fit. */
export class MissingRightError extends Error {
  readonly [safeMessage] = true;
  readonly code = '42501';

  constructor(role: string, { right, object }: { right: string; object: string }, cause: unknown) {
    super(
      `PostgreSQL refuses ${role} the right ${right} on ${object}: as the owner of the tables run SELECT grant_roles(), or GRANT ${right} ON ${object} TO ${role}`,
      { cause },
    );
    this.name = 'MissingRightError';
  }
}

/** The error with role and right by name if it is a refusal of a right, else as it is. */
export function nameMissingRight(err: unknown, role: string, text: string): unknown {
  if ((err as { code?: unknown } | null)?.code !== '42501') return err;
  const grant = grantOf(text, (err as Error).message);
  return grant === undefined ? err : new MissingRightError(role, grant, err);
}
