import type { WingSettings } from '#services/platform/config/wings.ts';
import type { Job } from '#services/platform/define/job.ts';
import { accessModule } from './core/access/module.ts';
import { apiKeysModule } from './core/api-keys/module.ts';
import { auditModule } from './core/audit/module.ts';
import { OWN_SCOPES, type OwnScope } from './core/authority/own-scopes.ts';
import { healthModule } from './core/health/module.ts';
import { identityModule } from './core/identity/module.ts';
import { keysModule } from './core/keys/module.ts';
import { limitsModule } from './core/limits/module.ts';
import { defineModule, type Module } from './core/module.ts';
import { oauthModule } from './core/oauth/module.ts';
import type { Caller, Ports } from './core/ports.ts';
import { revocationsModule } from './core/revocations/module.ts';
import { securityModule } from './core/security/module.ts';
import type { Approval, SignedAct } from './core/shared/approval.ts';
import { sharedModule } from './core/shared/module.ts';
import type { Operation } from './core/shared/operation.ts';
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

/** The one place that asks which wings an installation has. */
const inUse = ({ leftOut }: WingSettings) => all.filter(({ wing }) => wing === undefined || !leftOut.includes(wing));

/** The modules that an installation has: those of the wings that it leaves out are absent. */
export const modulesOf = (wings: WingSettings): readonly Module[] => inUse(wings);

/** Scopes of an installation by which a user lets an application read the account, in the order of their list. */
export const ownScopesOf = (wings: WingSettings): readonly OwnScope[] =>
  OWN_SCOPES.filter((scope) => modulesOf(wings).some(({ ownScopes }) => ownScopes.includes(scope)));

type List = {
  [Name in keyof Module]-?: Module[Name] extends () => Promise<readonly unknown[]> ? Name : never;
}[keyof Module];
type Loaded<L> = L extends () => Promise<readonly (infer Value)[]> ? Value : never;

export type Listed<Name extends List> = Loaded<(typeof all)[number][Name]>;

/**
 * Loads one list of the modules that an installation has, or of all: what began or failed with a wing stays when it is
 * left out.
 * @example await loadList('operations', config.wings)
 */
export const loadList = async <Name extends List>(
  name: Name,
  wings: WingSettings = { leftOut: [] },
): Promise<readonly Listed<Name>[]> =>
  (await Promise.all(inUse(wings).map((module) => module[name]()))).flat() as Listed<Name>[];

export const operationsOf = async (module: string): Promise<readonly Operation[]> =>
  (await modules.find(({ name }) => name === module)?.operations()) ?? [];

/** Kinds of rows that modules remove after their retention: of one job, or all. */
export const purgesOf = (of: readonly Module[], job?: Job): readonly Purge[] =>
  of.flatMap(({ purged }) => purged.flatMap(({ by, purges }) => (job === undefined || by === job ? purges : [])));

/** Types of the events that are pushed unless HANDOFF_TYPES names others. */
export const pushedByDefault: readonly string[] = modules.flatMap(({ events }) =>
  events.filter(({ isPushed }) => isPushed === true).map(({ type }) => type),
);

/** The share of compliance controls that pass; null without a module that checks any. */
export async function readSecurityScore(wings: WingSettings, ports: Pick<Ports, 'sql'>): Promise<number | null> {
  const [score] = modulesOf(wings).flatMap((module) => module.score ?? []);
  return score === undefined ? null : (await score())(ports);
}

/** Whether people have approved an act; without a module with which they could, they have not. */
export async function readApproval(
  wings: WingSettings,
  ports: Pick<Ports, 'sql' | 'transact'>,
  asked: SignedAct,
  caller: Caller,
): Promise<Approval> {
  const [approval] = modulesOf(wings).flatMap((module) => module.approval ?? []);
  if (approval === undefined) return { why: 'this installation has no sign-offs', lacks: {} };
  return (await approval())(ports, asked, caller);
}
