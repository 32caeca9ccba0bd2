import type { LegacyProvider } from '../../../testing/fakes/legacy-provider.ts';
import type { SurfaceName } from '../../surface-facts.ts';
import type { Receiver } from '../receiver.ts';
import type { Transmitter } from '../transmitter.ts';
import { agentRows, createAgents } from './agents.ts';
import { alertRows, createAlerts } from './alerts.ts';
import { apiKeyRows, createApiKeys } from './api-keys.ts';
import { applicationRows, createApplications } from './applications.ts';
import { consentRows, createConsents } from './consents.ts';
import { createHealthData, healthDataRows } from './health-data.ts';
import { createImports, importRows } from './imports.ts';
import { createMcp, mcpRows } from './mcp.ts';
import { createMcpTasks, mcpTaskRows } from './mcp-tasks.ts';
import { createOldSessions, oldSessionRows } from './old-sessions.ts';
import { createPasskeys } from './passkeys.ts';
import { createQueues, type GiveUp } from './queues.ts';
import { createReports, reportRows } from './reports.ts';
import { createRetention, retentionRows } from './retention.ts';
import { createSecondFactors } from './second-factors.ts';
import { createSignOffs, signOffRows } from './sign-offs.ts';
import { createSignalBounds, type FillMinute, signalRows } from './signal-bounds.ts';
import { createSignals } from './signals.ts';
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
  MCP: mcpRows,
  'MCP tasks': mcpTaskRows,
  alerts: alertRows,
  signals: signalRows,
};

/** Surfaces whose clients hold something that can be ended. */
export const surfacesOfUsables = [
  'agents',
  'consents',
  'health data',
  'API keys',
  'applications',
  'old sessions',
  'second factors',
  'MCP',
  'signals',
  'queues',
] as const;

/** What the surfaces meet outside the product. */
export type Outside = {
  /** Of the copy that serves it. */
  readonly mcpUrl: string;
  /** That is being replaced. */
  readonly provider: LegacyProvider;
  readonly receiver: Receiver;
  readonly transmitter: Transmitter;
  readonly giveUp: GiveUp;
  readonly fillMinute: FillMinute;
};

/** In the order in which they prepare. */
export function createSurfaces(tools: Tools, outside: Outside): readonly Surface[] {
  const { mcpUrl, provider, receiver, giveUp } = outside;
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
    createSecondFactors(tools),
    createPasskeys(tools),
    createMcp(tools, mcpUrl),
    createMcpTasks(tools, mcpUrl),
    createAlerts(tools, receiver),
    createSignals(tools, outside),
    createSignalBounds(tools, { ...outside, jwks: receiver.jwks }),
    createQueues(tools, receiver, giveUp),
  ];
}
