import { hasWing, type WingSettings } from '#services/platform/config/wings.ts';
import type { Job } from '#services/platform/define/job.ts';
import { accessModule } from './core/access/module.ts';
import { agentsModule } from './wings/agents/module.ts';
import { alertsModule } from './wings/outbound/alerts/module.ts';
import { apiKeysModule } from './core/api-keys/module.ts';
import { auditModule } from './core/audit/module.ts';
import { complianceModule } from './wings/compliance/module.ts';
import { handoffModule } from './wings/outbound/handoff/module.ts';
import { identityModule } from './core/identity/module.ts';
import { keysModule } from './core/keys/module.ts';
import { limitsModule } from './core/limits/module.ts';
import { migrationModule } from './wings/import/module.ts';
import type { Module } from './core/module.ts';
import { monitoringModule } from './wings/monitoring/module.ts';
import { oauthModule } from './core/oauth/module.ts';
import { operationsModule } from './core/health/module.ts';
import { tasksModule } from './wings/mcp/tasks/module.ts';
import { privacyModule } from './wings/privacy/module.ts';
import { revocationsModule } from './core/revocations/module.ts';
import { securityModule } from './core/security/module.ts';
import { sharedModule } from './core/shared/module.ts';
import type { Purge } from './core/shared/purge.ts';
import { signalsModule } from './wings/outbound/signals/module.ts';
import { signoffModule } from './wings/signoff/module.ts';
import { tokensModule } from './core/tokens/module.ts';

/** Every module that declares something, in the order of their imports: each knows those before it only. */
export const modules: readonly Module[] = [
  sharedModule,
  auditModule,
  keysModule,
  limitsModule,
  accessModule,
  revocationsModule,
  tokensModule,
  apiKeysModule,
  privacyModule,
  identityModule,
  oauthModule,
  securityModule,
  agentsModule,
  signoffModule,
  handoffModule,
  migrationModule,
  complianceModule,
  monitoringModule,
  alertsModule,
  signalsModule,
  operationsModule,
  tasksModule,
];

/** The modules that an installation has: those of the wings that it leaves out are absent. */
export const modulesOf = (wings: WingSettings): readonly Module[] =>
  modules.filter(({ wing }) => wing === undefined || hasWing(wings, wing));

/** Kinds of rows that modules remove after their retention: of one job, or all. */
export const purgesOf = (of: readonly Module[], job?: Job): readonly Purge[] =>
  of.flatMap(({ purged }) => purged.flatMap(({ by, purges }) => (job === undefined || by === job ? purges : [])));
