import { advanceTasksJob } from '#jobs/contracts/operations.ts';
import { defineModule } from '#services/core/module.ts';

/** Tasks of MCP clients: without an MCP server, none begins. */
export const tasksModule = defineModule({
  name: 'operations/tasks',
  wing: 'mcp',
  tables: ['mcp_tasks'],
  jobs: [advanceTasksJob],
});
