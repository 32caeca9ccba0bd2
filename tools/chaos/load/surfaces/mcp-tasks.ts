import { eventually } from '#tools/testing/eventually.ts';
import { mayBeRevoked, now, revocationsOfUsable } from '../../ledger.ts';
import { mcpToken, taskOf, toolCall } from '../mcp-messages.ts';
import { keep, newToken, type RowStatements, type Surface, type TokenUsable, type Tools } from './surface.ts';

export const mcpTaskRows: RowStatements = { 'task over MCP': 'SELECT id AS key FROM mcp_tasks' };

const TOKEN_LIFE_MS = 300_000;

/** Long work over the Model Context Protocol, at the process that one of the copies runs. @param mcpUrl ends with `/mcp` */
export function createMcpTasks(tools: Tools, mcpUrl: string): Surface {
  const { ledger, ask, authorization, random } = tools;
  const ids: string[] = [];
  let token: TokenUsable | undefined;

  async function bearer(): Promise<string> {
    const isGood =
      token && now() - token.madeAtMs < TOKEN_LIFE_MS && !mayBeRevoked(revocationsOfUsable(ledger, token), now());
    if (token && isGood) return token.token;
    const own = await mcpToken(ask, mcpUrl, authorization);
    if (own === undefined) return '';
    token = newToken('MCP tasks', 'token for MCP', own, []);
    return token.token;
  }

  const request = (own: string, name: string, args: object) => ({
    url: mcpUrl.replace(/\/mcp$/, ''),
    ...toolCall(own, name, args),
  });

  const begin = async (): Promise<void> => {
    const own = await bearer();
    if (own === '') return;
    const made = await keep(
      tools,
      { surface: 'MCP tasks', kind: 'task over MCP', events: ['operations.mcp_called'] },
      () => request(own, 'request_compliance_report', {}),
      (answer) => taskOf(answer)?.task_id !== undefined,
      (answer) => taskOf(answer)!.task_id!,
    );
    if (made) ids.push(made.key);
  };
  const call = async (name: string): Promise<void> => {
    const task_id = random.pick(ids.slice(-5));
    if (task_id !== undefined) await ask('A', request(await bearer(), name, { task_id }));
  };

  return {
    acts: [
      [0.02, begin],
      [0.4, () => call('read_task')],
      [0.005, () => call('cancel_task')],
    ],
    prepare: async () => {
      await eventually('a task over MCP', async () => {
        await begin();
        return ids.length > 0;
      });
      await call('read_task');
    },
    settle: () => call('read_task'),
  };
}
