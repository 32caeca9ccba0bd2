import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import pg from 'pg';
import { withMigrationLock } from '../platform/postgres/migrate.ts';
import type { DatabaseRole } from '../platform/postgres/transaction-settings.ts';

/** The roles of the login of each process; a worker seals on connections of a role of their own. */
const ROLES = {
  api: ['sallyport_api'],
  mcp: ['sallyport_mcp'],
  worker: ['sallyport_worker', 'sallyport_log_sealer'],
} as const satisfies Record<string, readonly DatabaseRole[]>;

type ProcessUrls = Readonly<Partial<Record<keyof typeof ROLES, string | undefined>>>;

const ITERATIONS = 4_096;
const CONNECT_TIMEOUT_MS = 10_000;
const quoted = pg.escapeIdentifier;

/** What PostgreSQL keeps of a password (RFC 5803): with it neither the password nor a way to sign in is in a log of the server. */
function verifierOf(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, ITERATIONS, 32, 'sha256');
  const keyOf = (name: string): Buffer => createHmac('sha256', salted).update(name).digest();
  const stored = createHash('sha256').update(keyOf('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${stored}:${keyOf('Server Key').toString('base64')}`;
}

/** Whether PostgreSQL refuses the password of a URL; false if something else keeps it from being tried. */
async function isRefused(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => {});
  const refusal = await client.connect().then(
    () => undefined,
    (err: { code?: string }) => err.code,
  );
  await client.end().catch(() => {});
  return refusal === '28P01' || refusal === '28000';
}

type Facts = { readonly is_own: boolean; readonly exists: boolean; readonly missing: readonly string[] };

const FACTS = `SELECT session_user = $1 AS is_own, r.oid IS NOT NULL AS exists,
    ARRAY(SELECT name FROM unnest($2::text[]) name WHERE r.oid IS NULL OR NOT pg_has_role(r.oid, name::name, 'MEMBER')) AS missing
  FROM (SELECT) AS one LEFT JOIN pg_roles r ON r.rolname = $1`;

/**
 * Makes the login of each URL where it is missing, with the password of the URL, and puts it into the roles of its process.
 * Takes no role away: copies of the release before may still run as one. Safe to repeat and to run concurrently.
 * @returns warnings: what a login of this URL may not do, and the statements that a superuser runs instead
 */
export async function ensureProcessLogins(
  ownerUrl: string,
  urls: ProcessUrls,
  say: (text: string) => void,
): Promise<string[]> {
  const warnings: string[] = [];
  const given = Object.entries(urls).filter((each): each is [keyof typeof ROLES, string] => each[1] !== undefined);
  if (given.length === 0) return warnings;
  await withMigrationLock(
    ownerUrl,
    () => {},
    async (db) => {
      for (const [process, url] of given) {
        const login = decodeURIComponent(new URL(url).username);
        const { rows } = await db.query<Facts>(FACTS, [login, ROLES[process]]);
        const { is_own: isOwn, exists, missing } = rows[0] as Facts;
        // The login that owns the tables has every right already.
        if (isOwn) continue;
        const password = (): string => pg.escapeLiteral(verifierOf(decodeURIComponent(new URL(url).password)));
        try {
          if (!exists) await db.query(`CREATE ROLE ${quoted(login)} LOGIN PASSWORD ${password()}`);
          else if (await isRefused(url)) await db.query(`ALTER ROLE ${quoted(login)} LOGIN PASSWORD ${password()}`);
          if (missing.length > 0) await db.query(`GRANT ${missing.map(quoted).join(', ')} TO ${quoted(login)}`);
          if (missing.length > 0)
            say(`the login ${login} of the ${process} has the roles ${ROLES[process].join(', ')}`);
        } catch (err) {
          if ((err as { code?: string }).code !== '42501') throw err;
          warnings.push(
            `the login ${login} of the ${process} is not ready, and this login may not change it: as a superuser run ${exists ? '' : `CREATE ROLE ${quoted(login)} LOGIN PASSWORD '…'; `}GRANT ${ROLES[process].join(', ')} TO ${quoted(login)};`,
          );
        }
      }
    },
  );
  return warnings;
}
