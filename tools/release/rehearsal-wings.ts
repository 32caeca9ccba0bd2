import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { queryRows } from '#tools/testing/harness/ports.ts';
import type { ClientCredentials, Received } from '#tools/testing/http-client.ts';
import type { Asking, LiveCopy } from './rehearsal-load.ts';

type Request = readonly [method: string, path: string, body?: object];

/** What a wing keeps, and how another version shows that it reads it. Words in capitals stand for values of one exchange. */
type WingRow = {
  readonly what: string;
  /** The agent of an earlier row, or the administrator as an MCP client; else the administrator. */
  readonly by?: 'agent' | 'mcp';
  readonly write: Request;
  /** Path of the member of the answer that KEPT stands for. */
  readonly keeps: string;
  readonly read: Request;
  /** Part of the answer. */
  readonly shows: string;
};

const rows: readonly WingRow[] = JSON.parse(readFileSync(new URL('rehearsal-wings.json', import.meta.url), 'utf8'));

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
  /** `fetch` would send the host of the copy, and the MCP server answers only that of its resource. */
  const askMcp = async (copy: LiveCopy, [method, path, json]: Request): Promise<Received> => {
    const { resource } = (await ask(copy, 'GET', '/.well-known/oauth-protected-resource/mcp')).body;
    const form = { grant_type: 'client_credentials', resource };
    const { access_token: token } = (await ask(copy, 'POST', '/oauth2/token', { basic: admin, form })).body;
    const accept = 'application/json, text/event-stream';
    const { host } = new URL(resource);
    const headers = { host, accept, 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const sent = request(copy.url + path, { method, headers }).end(JSON.stringify(json));
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    const said = await text(answer);
    const body = JSON.parse(said.slice(said.indexOf('{')));
    return { status: answer.statusCode ?? 0, headers: new Headers(), text: said, body };
  };
  // A copy within a test has no MCP server.
  const looks = [await ask(from, 'GET', '/mcp'), await ask(to, 'GET', '/mcp')];
  const asked = rows.filter(({ by }) => by !== 'mcp' || looks.every(({ status }) => status !== 404));
  let agent = admin;
  for (const { what, by, write, keeps, read, shows } of asked) {
    const basic = by === 'agent' ? agent : admin;
    const send = (copy: LiveCopy, [method, path, json]: Request): Promise<Received> =>
      by === 'mcp' ? askMcp(copy, [method, path, json]) : ask(copy, method, path, { basic, ...(json && { json }) });
    const written = await send(from, filled(write));
    values.KEPT = keeps.split('.').reduce((held, name) => held?.[name], written.body);
    must(from, what, written, written.status < 300 && values.KEPT !== undefined);
    if (what === 'agent') agent = { client_id: written.body.agent_id, client_secret: written.body.client_secret };
    const answer = await send(to, filled(read));
    must(to, what, answer, answer.status === 200 && answer.text.includes(filled(shows)));
  }
  return asked.map(({ what }) => what);
}
