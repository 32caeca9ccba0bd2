import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { code, id, label, name } from '#services/platform/define/audit-member.ts';

export const mcpCalled = defineAuditEvent({
  type: 'operations.mcp_called',
  outcomes: ['ok', 'failed'],
  detail: { method: name, name: label, code, acting_id: id },
  meaning:
    'A client called a tool or read a resource of the MCP server: `method`, `name`, and the error `code` of a failed call. `acting_id` is the party that acted for the user by a delegated token.',
});
