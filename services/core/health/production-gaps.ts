import type { ConfigProblem } from '#services/platform/config/config-error.ts';
import type { Permission } from '#services/platform/define/permissions.ts';
import { listClients } from '../access/manage-clients.ts';
import { clientsRead } from '../access/permissions.ts';
import { holds } from '../authority/callers.ts';
import { usersRead } from '../identity/permissions.ts';
import { readActiveAdmins } from '../identity/users/assert-admin-stays.ts';
import { keysRead } from '../keys/permissions.ts';
import type { Caller, Ports } from '../ports.ts';
import { queuesManage } from '../shared/permissions.ts';

/** One thing that an installation lacks for production. */
export type ProductionGap = {
  /** A setting, or what a wing checks, as a compliance control. */
  readonly name: string;
  readonly why: string;
  readonly fix: string;
};

/** What a wing finds missing beside `named`, the settings that a start would refuse. */
export type FindGaps = (ports: Pick<Ports, 'sql'>, named: ReadonlySet<string>) => Promise<readonly ProductionGap[]>;

/** A module that looks for gaps. `firstSteps`: those that a new installation closes first, for callers with the permission. */
export type HasGaps = {
  readonly gaps?: () => Promise<FindGaps>;
  readonly firstSteps?: Readonly<Record<string, Permission>>;
};

const ALONE = { name: 'second-administrator', why: 'is missing', fix: 'invite one: sallyport users invite' };
const NO_CLIENT = { name: 'first-client', why: 'is missing', fix: 'create one: sallyport clients create' };

/**
 * All that an installation lacks for production, in one list: settings, what its modules find, then people and clients.
 * @param settings what `missingForProduction` found
 */
export async function readProductionGaps(
  ports: Pick<Ports, 'sql'>,
  settings: readonly ConfigProblem[],
  modules: readonly HasGaps[],
): Promise<ProductionGap[]> {
  const named = new Set(settings.map(({ env }) => env));
  const found = settings.map(({ env, problem, fix }) => ({ name: env, why: problem, fix }));
  for (const { gaps } of modules) if (gaps) found.push(...(await (await gaps())(ports, named)));
  if ((await readActiveAdmins(ports.sql, false)).size < 2) found.push(ALONE);
  const { clients } = await listClients(ports, { limit: 3 });
  return clients.every(({ built_in: is }) => is) ? [...found, NO_CLIENT] : found;
}

/** Gaps that a new installation closes first, and what a caller needs to know of each. */
const FIRST: HasGaps['firstSteps'] = {
  SMTP_URL: queuesManage,
  KEY_ENCRYPTION_KEY: keysRead,
  'second-administrator': usersRead,
  'first-client': clientsRead,
};

type Lacking = Pick<Ports, 'sql'> & {
  readonly missingSettings: readonly ConfigProblem[];
  readonly modules: readonly HasGaps[];
};

/** Whether each first step is done, of those that the caller may know of. */
export async function readFirstSteps({ sql, missingSettings, modules }: Lacking, _input: unknown, caller: Caller) {
  const gaps = await readProductionGaps({ sql }, missingSettings, modules);
  const all = Object.entries<Permission>(Object.assign({}, FIRST, ...modules.map(({ firstSteps }) => firstSteps)));
  const own = all.filter(([, { name }]) => holds(caller, name));
  return { steps: own.map(([step]) => ({ name: step, done: !gaps.some(({ name }) => name === step) })) };
}
