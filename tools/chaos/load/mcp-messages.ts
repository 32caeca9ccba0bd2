import { randomUUID } from 'node:crypto';
import type { Answer, Ask, Request } from '../http.ts';

const VERSION = '2026-07-28';

/** The call of a tool of the MCP server, of the newest revision. @param progressToken asks for a stream of notifications */
export const toolCall = (
  token: string,
  name: string,
  args: object,
  progressToken?: string,
): Pick<Request, 'path' | 'json' | 'headers'> => ({
  path: '/mcp',
  json: {
    ...{ jsonrpc: '2.0', id: randomUUID(), method: 'tools/call' },
    params: {
      ...{ name, arguments: args },
      _meta: {
        'io.modelcontextprotocol/protocolVersion': VERSION,
        'io.modelcontextprotocol/clientInfo': { name: 'chaos', version: '1' },
        'io.modelcontextprotocol/clientCapabilities': {},
        ...(progressToken === undefined ? {} : { progressToken }),
      },
    },
  },
  headers: {
    ...{ authorization: `Bearer ${token}`, accept: 'application/json, text/event-stream' },
    ...{ 'mcp-protocol-version': VERSION, 'mcp-method': 'tools/call', 'mcp-name': name },
  },
});

/** The task in an answer, if it is one. */
export const taskOf = ({ body }: Pick<Answer, 'body'>): { readonly task_id?: string } | undefined =>
  body?.result?.structuredContent;

/** A token for the MCP server; undefined where no copy gives one. @param mcpUrl one of its addresses */
export async function mcpToken(ask: Ask, mcpUrl: string, authorization: string): Promise<string | undefined> {
  const form = { grant_type: 'client_credentials', resource: mcpUrl };
  for (const copy of ['A', 'B'] as const) {
    const { status, body } = await ask(copy, { path: '/oauth2/token', form, headers: { authorization } });
    if (status === 200) return body.access_token as string;
  }
  return undefined;
}
