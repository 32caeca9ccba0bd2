import { hasWing, type WingSettings } from '#services/platform/config/wings.ts';
import type { Job } from '#services/platform/define/job.ts';
import { accessModule } from './core/access/module.ts';
import { apiKeysModule } from './core/api-keys/module.ts';
import { auditModule } from './core/audit/module.ts';
import { healthModule } from './core/health/module.ts';
import { identityModule } from './core/identity/module.ts';
import { keysModule } from './core/keys/module.ts';
import { limitsModule } from './core/limits/module.ts';
import { defineModule, type Module } from './core/module.ts';
import { oauthModule } from './core/oauth/module.ts';
import { revocationsModule } from './core/revocations/module.ts';
import { securityModule } from './core/security/module.ts';
import { sharedModule } from './core/shared/module.ts';
import type { Purge } from './core/shared/purge.ts';
import { tokensModule } from './core/tokens/module.ts';
import { agentsModule } from './wings/agents/module.ts';
import { complianceModule } from './wings/compliance/module.ts';
import { importModule } from './wings/import/module.ts';
import { mcpModule } from './wings/mcp/module.ts';
import { monitoringModule } from './wings/monitoring/module.ts';
import { alertsModule } from './wings/outbound/alerts/module.ts';
import { handoffModule } from './wings/outbound/handoff/module.ts';
import { signalsModule } from './wings/outbound/signals/module.ts';
import { privacyModule } from './wings/privacy/module.ts';
import { recoveryModule } from './wings/recovery/module.ts';
import { signoffModule } from './wings/signoff/module.ts';

const core = [
  defineModule({ name: 'jws', sentence: 'Parses and verifies signed tokens.' }),
  defineModule({ name: 'authority', sentence: 'Answers what a caller may do.' }),
  sharedModule,
  auditModule,
  keysModule,
  limitsModule,
  accessModule,
  revocationsModule,
  tokensModule,
  apiKeysModule,
  identityModule,
  oauthModule,
  securityModule,
  healthModule,
] as const;

const wings = [
  privacyModule,
  handoffModule,
  signalsModule,
  alertsModule,
  signoffModule,
  agentsModule,
  mcpModule,
  importModule,
  complianceModule,
  monitoringModule,
  recoveryModule,
] as const;

const all = [...core, ...wings] as const;

/** Every module that declares something: those of the core in the order of their imports, then the wings. */
export const modules: readonly Module[] = all;

/** Whether an installation has a module. */
const isThere =
  (wings: WingSettings) =>
  ({ wing }: Pick<Module, 'wing'>): boolean =>
    wing === undefined || hasWing(wings, wing);

/** The modules that an installation has: those of the wings that it leaves out are absent. */
export const modulesOf = (wings: WingSettings): readonly Module[] => modules.filter(isThere(wings));

/** The operations of these modules. */
export const loadOperations = async (wings: WingSettings) =>
  (await Promise.all(all.filter(isThere(wings)).map(async ({ operations }) => (await operations?.()) ?? []))).flat();

/** Kinds of rows that modules remove after their retention: of one job, or all. */
export const purgesOf = (of: readonly Module[], job?: Job): readonly Purge[] =>
  of.flatMap(({ purged }) => purged.flatMap(({ by, purges }) => (job === undefined || by === job ? purges : [])));

/** Rows that jobs gave up, of every module: those of a wing that is left out too, which were given up before. */
export const loadRowLetters = async () =>
  (await Promise.all(modules.map(async ({ deadLetters }) => (await deadLetters?.()) ?? []))).flat();

/** Types of the events that are pushed unless HANDOFF_TYPES names others. */
export const pushedByDefault: readonly string[] = modules.flatMap(({ events }) =>
  events.filter(({ isPushed }) => isPushed === true).map(({ type }) => type),
);

/** Kinds of tasks of every module: those of a wing that is left out too, whose tasks began before. */
export const loadTaskKinds = async () =>
  (await Promise.all(all.map(async ({ tasks }) => (await tasks?.()) ?? []))).flat();

export type TaskKinds = Awaited<ReturnType<typeof loadTaskKinds>>;

/** How workers advance the tasks of these kinds. */
export const loadTaskAdvances = async () =>
  (await Promise.all(all.map(async ({ taskAdvances }) => (await taskAdvances?.()) ?? []))).flat();
