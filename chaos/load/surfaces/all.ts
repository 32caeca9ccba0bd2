import type { LegacyProvider } from '../../../testing/fakes/legacy-provider.ts';
import type { SurfaceName } from '../../surface-facts.ts';
import { agentRows, createAgents } from './agents.ts';
import { apiKeyRows, createApiKeys } from './api-keys.ts';
import { applicationRows, createApplications } from './applications.ts';
import { consentRows, createConsents } from './consents.ts';
import { createHealthData, healthDataRows } from './health-data.ts';
import { createImports, importRows } from './imports.ts';
import { createMcpTasks, mcpTaskRows } from './mcp-tasks.ts';
import { createOldSessions, oldSessionRows } from './old-sessions.ts';
import { createReports, reportRows } from './reports.ts';
import { createRetention, retentionRows } from './retention.ts';
import { createSignOffs, signOffRows } from './sign-offs.ts';
import type { RowStatements, Surface, Tools } from './surface.ts';

/** Of each surface the statements that find what its clients were told of. */
export const surfaceRows: Readonly<Partial<Record<SurfaceName, RowStatements>>> = {
  agents: agentRows,
  'sign-offs': signOffRows,
  consents: consentRows,
  'health data': healthDataRows,
  retention: retentionRows,
  reports: reportRows,
  'API keys': apiKeyRows,
  applications: applicationRows,
  imports: importRows,
  'old sessions': oldSessionRows,
  'MCP tasks': mcpTaskRows,
};

/** Surfaces whose clients hold something that can be ended. */
export const surfacesOfUsables = [
  'agents',
  'consents',
  'health data',
  'API keys',
  'applications',
  'old sessions',
] as const;

/** In the order in which they prepare. @param mcpUrl of the copy that serves it @param provider that is being replaced */
export function createSurfaces(tools: Tools, mcpUrl: string, provider: LegacyProvider): readonly Surface[] {
  const agents = createAgents(tools);
  return [
    agents,
    createSignOffs(tools, agents),
    createConsents(tools),
    createHealthData(tools),
    createRetention(tools),
    createReports(tools),
    createApiKeys(tools),
    createApplications(tools),
    createImports(tools),
    createOldSessions(tools, provider),
    createMcpTasks(tools, mcpUrl),
  ];
}
