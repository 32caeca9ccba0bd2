import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { queryRows } from '#tools/testing/harness/ports.ts';
import type { ClientCredentials, Received } from '#tools/testing/http-client.ts';
import type { Asking, LiveCopy } from './rehearsal-load.ts';

type Request = readonly [method: string, path: string, body?: object];

/** What a wing keeps, and how another version shows that it reads it. Words in capitals stand for values of one exchange. */
type WingRow = {
  readonly what: string;
  /** The agent of the first row; else the administrator. */
  readonly by?: 'agent';
  readonly write: Request;
  /** The member of the answer that KEPT stands for. */
  readonly keeps: string;
  readonly read: Request;
  /** Part of the answer. */
  readonly shows: string;
};

const rows: readonly WingRow[] = JSON.parse(readFileSync(join(import.meta.dirname, 'rehearsal-wings.json'), 'utf8'));

/** What the client of an exchange needs: an import wants all that there is. */
export const permissionsOf = async (databaseUrl: string): Promise<string[]> =>
  (await queryRows(databaseUrl)`SELECT name FROM permissions`).map(({ name }) => String(name));

const HOUR_MS = 3_600_000;

/** Each wing writes by one version, and reads by another. @returns what was read @throws what is not */
export async function exchangeWings(
  { ask, must }: Asking,
  [from, to]: readonly [LiveCopy, LiveCopy],
  admin: ClientCredentials,
  userId: string,
  origin: string,
): Promise<string[]> {
  const values: Record<string, unknown> = {
    NAME: `r${randomBytes(6).toString('hex')}`,
    USER: userId,
    UNTIL: new Date(Date.now() + HOUR_MS).toISOString(),
  };
  const filled = <T>(given: T): T =>
    JSON.parse(JSON.stringify(given), (_name, value: unknown) =>
      typeof value !== 'string'
        ? value
        : (values[value] ?? value.replace(/\b(NAME|USER|KEPT)\b/g, (word) => String(values[word]))),
    ) as T;
  let agent = admin;
  for (const { what, by, write, keeps, read, shows } of rows) {
    const basic = by === 'agent' ? agent : admin;
    const asked = (copy: LiveCopy, [method, path, json]: Request): Promise<Received> =>
      ask(copy, method, path, { basic, ...(json && { json }) });
    const written = await asked(from, filled(write));
    values.KEPT = must(from, what, written, written.status < 300).body[keeps];
    if (what === 'agent') agent = { client_id: written.body.agent_id, client_secret: written.body.client_secret };
    const answer = await asked(to, filled(read));
    must(to, what, answer, answer.status === 200 && answer.text.includes(filled(shows)));
  }
  const callTool = async (copy: LiveCopy, name: string, args: object, shown?: string): Promise<string> => {
    const form = { grant_type: 'client_credentials', resource: `${origin}/mcp` };
    const { access_token: bearer } = (await ask(copy, 'POST', '/oauth2/token', { basic: admin, form })).body;
    const headers = { accept: 'application/json, text/event-stream' };
    const json = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } };
    const answer = await ask({ ...copy, url: copy.mcp }, 'POST', '/mcp', { bearer, headers, json });
    const [, id = ''] = /"task_id":"([^"]+)"/.exec(answer.text) ?? [];
    must(copy, `task of MCP (${name})`, answer, answer.status === 200 && id === (shown ?? id) && id !== '');
    return id;
  };
  const task = await callTool(from, 'request_compliance_report', {});
  await callTool(to, 'read_task', { task_id: task }, task);
  return [...rows.map(({ what }) => what), 'task of MCP'];
}
