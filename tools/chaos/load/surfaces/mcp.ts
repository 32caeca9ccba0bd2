import { eventually } from '#tools/testing/eventually.ts';
import { otherCopy } from '../../http.ts';
import { mcpToken, taskOf, toolCall } from '../mcp-messages.ts';
import {
  anyCopy,
  atBothCopies,
  end,
  keep,
  newToken,
  pickShown,
  type RowStatements,
  type Surface,
  show,
  type TokenUsable,
  type Tools,
} from './surface.ts';

export const mcpRows: RowStatements = { 'task at the API': 'SELECT id AS key FROM mcp_tasks' };

const SURFACE = 'MCP';
/** A stream of progress lasts 45 seconds at most. */
const STREAM_MS = 50_000;
/** The newest are shown; tokens near their expiry prove nothing. */
const SHOWN_MOST = 30;

/** Clients of the MCP server at `/mcp` of both APIs: tools, tokens that end, and streams of progress. */
export function createMcp(tools: Tools, mcpUrl: string): Surface {
  const { ask, authorization, random } = tools;
  const tokens: TokenUsable[] = [];
  const recent = (): TokenUsable[] => tokens.slice(-SHOWN_MOST);

  const newBearer = async (): Promise<TokenUsable | undefined> => {
    const token = await mcpToken(ask, mcpUrl, authorization);
    if (token === undefined) return undefined;
    const usable = newToken(SURFACE, 'token for MCP at the API', token, []);
    tokens.push(usable);
    return usable;
  };
  const use = async (of: TokenUsable | undefined, copy = anyCopy(tools)): Promise<void> => {
    if (of === undefined) return;
    await show(tools, of, copy, toolCall(of.token, 'list_signing_keys', {}), ({ status, body }) => {
      if (status === 401) return false;
      return status === 200 && body?.result?.isError !== true ? true : undefined;
    });
  };
  const revoke = async (of: TokenUsable | undefined): Promise<void> => {
    if (of === undefined || of.revocations.length > 0) return;
    await end(
      tools,
      of,
      // What its signing key has ended is not ended again, and has no event.
      { surface: SURFACE, kind: 'revocation of a token for MCP', events: [], isRepeatable: true },
      { path: '/v1/tokens/revoke', json: { token: of.token, reason: 'chaos' }, headers: { authorization } },
      ({ status }) => status === 200,
    );
  };
  const begin = async (): Promise<string | undefined> => {
    const bearer = await newBearer();
    if (bearer === undefined) return undefined;
    const made = await keep(
      tools,
      { surface: SURFACE, kind: 'task at the API', events: ['operations.mcp_called'] },
      () => toolCall(bearer.token, 'request_compliance_report', {}),
      (answer) => taskOf(answer)?.task_id !== undefined,
      (answer) => taskOf(answer)!.task_id!,
    );
    return made?.key;
  };
  /** Follows a task to its end; where the stream is cut, reads it at the other copy. */
  const follow = async (): Promise<void> => {
    const bearer = await newBearer();
    const task_id = await begin();
    if (bearer === undefined || task_id === undefined) return;
    const copy = anyCopy(tools);
    const read = (progress?: string) => toolCall(bearer.token, 'read_task', { task_id }, progress);
    await ask(copy, { ...read(task_id), timeoutMs: STREAM_MS });
    await ask(otherCopy(copy), read());
  };

  return {
    acts: [
      [1, () => use(pickShown(tools, recent()))],
      [0.1, newBearer],
      [0.1, () => revoke(random.pick(recent().slice(0, -1)))],
      [0.02, follow],
    ],
    prepare: async () => {
      await eventually('a task at the address of the API', begin);
      for (let at = 0; at < 3; at += 1) await newBearer();
      await atBothCopies(recent(), use);
      await revoke(tokens[0]);
    },
    settle: () => atBothCopies(recent(), use),
  };
}
