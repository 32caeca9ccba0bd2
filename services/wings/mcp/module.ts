import { advanceTasksJob } from '#jobs/contracts/operations.ts';
import { defineModule } from '#services/core/module.ts';
import * as events from './audit-events.ts';

export const mcpModule = defineModule({
  name: 'mcp',
  sentence: 'Keeps tasks of MCP clients and the record of their calls: without an MCP server, none begins.',
  wing: 'mcp',
  tables: ['mcp_tasks'],
  events: Object.values(events),
  jobs: [advanceTasksJob],
});
