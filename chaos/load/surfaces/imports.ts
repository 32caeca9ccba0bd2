import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../../ledger.ts';
import { anyCopy, keep, REASON, type RowStatements, type Surface, type Tools } from './surface.ts';

/** Users of each file, which also has a record that is rejected. */
export const USERS_OF_IMPORT = 30;
export const PATIENCE_MS = 90_000;

export const importRows: RowStatements = {
  'request of an import': 'SELECT id::text AS key FROM imports',
  'imported user': `SELECT l.legacy_id AS key FROM legacy_users l JOIN users u ON u.id = l.user_id AND u.email = l.legacy_id || '@import.example'`,
};

const usersOf = (key: string): string[] => Array.from({ length: USERS_OF_IMPORT }, (_, at) => `${key}-user${at}`);
const fileOf = (key: string): string =>
  [...usersOf(key).map((id) => ({ legacy_id: id, email: `${id}@import.example` })), { legacy_id: key, email: 'none' }]
    .map((record) => `${JSON.stringify(record)}\n`)
    .join('');

/** Users of a file, and whether a worker has imported it. */
type Requested = { readonly ids: readonly string[]; isOver(): Promise<boolean> };

/** Asks for the import of a file of users. */
export async function importUsers(tools: Tools): Promise<Requested> {
  const { ask, authorization, ledger } = tools;
  const headers = { authorization };
  let asked = '';
  const made = await keep(
    tools,
    { surface: 'imports', kind: 'request of an import', events: ['import.started'] },
    (key) => {
      asked = key;
      return {
        path: '/v1/admin/imports',
        json: { kind: 'ndjson', data: fileOf(key), map: {}, reason: REASON },
        headers,
      };
    },
    ({ status }) => status === 202,
    ({ body }) => body.import_id,
  );
  if (!made) return { ids: [], isOver: async () => true };
  const { sentAtMs, answeredAtMs: ackedAtMs } = made.answer;
  for (const key of usersOf(asked))
    ledger.entries.push({ surface: 'imports', kind: 'imported user', key, sentAtMs, ackedAtMs });
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
