import type { Bench } from '../lib/bench.ts';
import { alternate, medianOf } from '../lib/rounds.ts';
import { CALLS_PER_SECOND, measureCalls, putCalls, startMcp, type ToolCall, warmUpCalls } from './mcp-setup.ts';

const PERMISSIONS = ['keys:read', 'audit:read', 'incidents:read'];
/** From memory, from the sealed log, from tables, and from the measured progress. */
const calls: readonly ToolCall[] = [
  { name: 'list_signing_keys', arguments: {} },
  { name: 'search_audit_log', arguments: { limit: 20 } },
  { name: 'list_incidents', arguments: {} },
  { name: 'read_authentication_progress', arguments: {} },
];

/** Every call is authenticated, counted against the limits and recorded in the audit log before it is answered. */
export const mcpReads: Bench = {
  name: 'mcp-reads',
  about: `open model: tool calls that read, over MCP at ${CALLS_PER_SECOND}/s`,
  async run(context) {
    const started = await startMcp(context, PERMISSIONS);
    const stock = 'mcp-reads';
    await putCalls(context, stock, calls);
    await warmUpCalls(context, started, stock);
    const rounds = await alternate(context.rounds, { reads: () => measureCalls(context, started, stock) });
    const of = (name: 'p50Ms' | 'p99Ms'): number => medianOf(rounds, ({ reads }) => reads.latency[name]);
    return [
      {
        name: `a read tool call over MCP at ${CALLS_PER_SECOND}/s, p99`,
        unit: 'ms',
        value: of('p99Ms'),
        target: { atMost: 25 },
        measured: { perSecond: CALLS_PER_SECOND, tools: calls.map(({ name }) => name), rounds },
        detail: `p50 ${of('p50Ms').toFixed(2)} ms; ${calls.map(({ name }) => name).join(', ')} in turn; none dropped, no error`,
      },
    ];
  },
};
