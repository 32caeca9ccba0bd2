import { setTimeout as sleep } from 'node:timers/promises';
import { isLost, type Ledger, now } from '../../ledger.ts';
import { anyCopy, keep, REASON, type RowStatements, type Surface, type Tools } from './surface.ts';

/** Users of each file, which also has a record that is rejected. */
const USERS_OF_IMPORT = 30;
/** So many have another row in their file, and so many in the next one: their source has a row for each way to sign in. */
const JOINED = 8;
/** Records of each file that are imported. */
export const ROWS_OF_IMPORT = USERS_OF_IMPORT + 2 * JOINED;
export const PATIENCE_MS = 90_000;

export const importRows: RowStatements = {
  'request of an import': 'SELECT id::text AS key FROM imports',
  'imported user': `SELECT l.legacy_id AS key FROM legacy_users l JOIN users u ON u.id = l.user_id AND u.email = l.legacy_id || '@import.example'`,
  'row of the same person': `SELECT l.legacy_id AS key FROM legacy_users l
    JOIN legacy_users first ON first.user_id = l.user_id AND first.legacy_id = split_part(l.legacy_id, '+', 1)
    JOIN accounts a ON a."userId" = l.user_id AND a."accountId" = l.legacy_id`,
  'person of several rows': `SELECT DISTINCT split_part(legacy_id, '+', 1) AS key, user_id FROM legacy_users`,
};

const usersOf = (key: string): string[] => Array.from({ length: USERS_OF_IMPORT }, (_, at) => `${key}-user${at}`);
/** Other rows of people: of a file, and of the one before it. */
const joinedOf = (
  key: string,
  before: string,
): { readonly person: string; readonly row: string; readonly provider: string }[] =>
  [[key, 'okta'] as const, [before, before === key ? 'github' : 'google'] as const].flatMap(([of, provider]) =>
    usersOf(of)
      .slice(0, JOINED)
      .map((person) => ({ person, row: `${person}+${provider}`, provider })),
  );
function fileOf(key: string, before: string): string {
  const row = (legacy_id: string, person: string) => ({
    legacy_id,
    email: `${person}@import.example`,
    email_verified: true,
  });
  const records = [
    ...usersOf(key).map((id) => row(id, id)),
    ...joinedOf(key, before).map(({ person, row: id, provider }) => ({
      ...row(id, person),
      accounts: [{ provider, subject: id }],
    })),
    { legacy_id: key, email: 'none' },
  ];
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

/** Users of a file, and whether a worker has imported it. */
type Requested = { readonly ids: readonly string[]; isOver(): Promise<boolean> };

/** Of each run the file that was requested last: the next has rows of the same people. */
const lastFiles = new WeakMap<Ledger, { readonly key: string; readonly ackedAtMs: number }>();

/** Asks for the import of a file of users. */
export async function importUsers(tools: Tools): Promise<Requested> {
  const { ask, authorization, ledger } = tools;
  const headers = { authorization };
  let asked = '';
  let before = '';
  const made = await keep(
    tools,
    { surface: 'imports', kind: 'request of an import', events: ['import.started'] },
    (key) => {
      const last = lastFiles.get(ledger);
      asked = key;
      before = last && !isLost(ledger, last.ackedAtMs) ? last.key : key;
      return {
        path: '/v1/admin/imports',
        json: { kind: 'ndjson', data: fileOf(key, before), map: {}, reason: REASON },
        headers,
      };
    },
    ({ status }) => status === 202,
    ({ body }) => body.import_id,
  );
  if (!made) return { ids: [], isOver: async () => true };
  const { sentAtMs, answeredAtMs: ackedAtMs } = made.answer;
  lastFiles.set(ledger, { key: asked, ackedAtMs });
  const expect = (kind: string, key: string): unknown =>
    ledger.entries.push({ surface: 'imports', kind, key, sentAtMs, ackedAtMs });
  for (const key of usersOf(asked)) expect('imported user', key);
  for (const { person, row } of joinedOf(asked, before)) {
    expect('row of the same person', row);
    expect('person of several rows', person);
  }
  const path = `/v1/admin/imports/${made.key}`;
  return {
    ids: usersOf(asked),
    isOver: async () => {
      const { status, body } = await ask(anyCopy(tools), { method: 'GET', path, headers });
      // A loss of the database took one that is not there; the gates know which.
      return status === 404 || (status === 200 && ['done', 'failed'].includes(body.status));
    },
  };
}

/** Files of users of another system, which a worker imports. */
export function createImports(tools: Tools): Surface {
  const requested: Requested[] = [];
  const request = async (): Promise<void> => {
    requested.push(await importUsers(tools));
  };
  return {
    acts: [
      [0.04, request],
      [0.3, async () => tools.random.pick(requested)?.isOver()],
    ],
    prepare: request,
    settle: async () => {
      await request();
      const deadline = now() + PATIENCE_MS;
      for (const { isOver } of requested) while (!(await isOver()) && now() < deadline) await sleep(500);
    },
  };
}
