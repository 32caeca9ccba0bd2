import { advanceTasksJob } from '#jobs/contracts/operations.ts';
import { defineModule } from '#services/core/module.ts';
import { run } from '#services/core/processor.ts';
import type { TaskAdvance } from '#services/core/shared/task-kind.ts';
import * as events from './audit-events.ts';

/** A worker loads how tasks are advanced with the first run. */
type LoadsAdvances = { readonly loadTaskAdvances: () => Promise<readonly TaskAdvance<unknown>[]> };

export const mcpModule = defineModule({
  name: 'mcp',
  sentence: 'Keeps tasks of MCP clients and the record of their calls: without an MCP server, none begins.',
  wing: 'mcp',
  tables: ['mcp_tasks'],
  events: Object.values(events),
  jobs: [advanceTasksJob],
  processors: async () => {
    const { advanceTasks, tasksAreDue } = await import('./tasks/advance-tasks.ts');
    type AdvancePorts = Parameters<typeof advanceTasks<unknown>>[0];
    return [
      run(
        advanceTasksJob,
        async (ports: Omit<AdvancePorts, 'taskAdvances'> & LoadsAdvances, jobRun, caller) =>
          advanceTasks({ ...ports, taskAdvances: await ports.loadTaskAdvances() }, jobRun, caller),
        () => tasksAreDue,
      ),
    ];
  },
});
