import { hasWing, type WingSettings } from '#services/platform/config/wings.ts';
import type { Job } from '#services/platform/define/job.ts';
import { accessModule } from './access/module.ts';
import { agentsModule } from './agents/module.ts';
import { alertsModule } from './alerts/module.ts';
import { apiKeysModule } from './api-keys/module.ts';
import { auditModule } from './audit/module.ts';
import { complianceModule } from './compliance/module.ts';
import { handoffModule } from './handoff/module.ts';
import { identityModule } from './identity/module.ts';
import { keysModule } from './keys/module.ts';
import { limitsModule } from './limits/module.ts';
import { migrationModule } from './migration/module.ts';
import type { Module } from './module.ts';
import { monitoringModule } from './monitoring/module.ts';
import { oauthModule } from './oauth/module.ts';
import { operationsModule } from './operations/module.ts';
import { tasksModule } from './operations/tasks/module.ts';
import { privacyModule } from './privacy/module.ts';
import { revocationsModule } from './revocations/module.ts';
import { securityModule } from './security/module.ts';
import { sharedModule } from './shared/module.ts';
import type { Purge } from './shared/purge.ts';
import { signalsModule } from './signals/module.ts';
import { signoffModule } from './signoff/module.ts';
import { tokensModule } from './tokens/module.ts';

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
