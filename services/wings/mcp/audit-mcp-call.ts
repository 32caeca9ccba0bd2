import { recordEvent } from '#services/core/audit/record-event.ts';
import { userOf } from '#services/core/authority/callers.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { mcpCalled } from '#services/wings/mcp/audit-events.ts';

export type McpCall = {
  /** The method of the protocol, such as `tools/call`. */
  readonly method: string;
  /** The tool, resource or kind of task: a name of ours, never what the client sent. */
  readonly name: string;
};

/**
 * Does what a client asked for, and writes who asked to the audit log before the client gets the result. A result whose
 * row cannot be written is withheld. Rethrows what `work` throws, after writing it.
 */
export async function auditMcpCall<T>(
  { sql }: Pick<Ports, 'sql'>,
  { method, name }: McpCall,
  caller: Caller,
  work: () => T | Promise<T>,
): Promise<T> {
  const actingId = userOf(caller)?.actingId;
  const facts = { method, name, ...(actingId === undefined ? {} : { acting_id: actingId }) };
  let result: T;
  try {
    result = await work();
  } catch (err) {
    const code = isAppError(err) ? err.code : 'internal_error';
    await recordEvent(sql, caller, mcpCalled, { outcome: 'failed', detail: { ...facts, code } });
    throw err;
  }
  await recordEvent(sql, caller, mcpCalled, { outcome: 'ok', detail: facts });
  return result;
}
