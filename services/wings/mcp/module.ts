import { advanceTasksJob } from '#jobs/contracts/operations.ts';
import { defineModule } from '#services/core/module.ts';
import * as events from './audit-events.ts';

/** Tasks of MCP clients, and the record of their calls: without an MCP server, none begins. */
export const mcpModule = defineModule({
  name: 'mcp',
  wing: 'mcp',
  tables: ['mcp_tasks'],
  events: Object.values(events),
  jobs: [advanceTasksJob],
});
