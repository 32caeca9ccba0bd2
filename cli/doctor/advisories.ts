import { readFileSync } from 'node:fs';
import { type Check, fail, pass, type Result, warn } from '#services/core/health/doctor-check.ts';
import {
  ADVISORIES,
  type AdvisoryList,
  advisoriesMet,
  describeMet,
  fixedVersionOf,
  type Installed,
  isOpen,
  LIST_DAYS_MAX,
  listDays,
} from '#services/platform/advisories/advisories.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { readRedisFacts } from '#services/platform/redis/facts.ts';
import { openContext } from '../context.ts';
import { withDatabase } from '../database-ports.ts';

const serverVersion = defineStatement('doctorServerVersion', `SELECT current_setting('server_version') AS version`);

type Versions = { readonly version: string };
const jsonOf = (path: string): unknown => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));

/** The npm packages that the list names, as they are installed here; one that is only in the bundle, as the lock has it. */
function packages(): Record<string, string> {
  const { packages: locked } = jsonOf('package-lock.json') as { readonly packages: Readonly<Record<string, Versions>> };
  const found: Record<string, string> = {};
  for (const { product } of ADVISORIES.advisories) {
    const place = `node_modules/${product}`;
    try {
      found[product] = (jsonOf(`${place}/package.json`) as Versions).version;
    } catch {
      // A server is in neither.
      const version = locked[place]?.version;
      if (version !== undefined) found[product] = version;
    }
  }
  return found;
}

/** A store that does not answer is the finding of another check. */
async function stores(): Promise<Record<string, string>> {
  const [postgresql, redis] = await Promise.all([
    withDatabase(async ({ sql }) => (await sql.query<{ version: string }>(serverVersion))[0]?.version).catch(
      () => undefined,
    ),
    openContext(['redisUrl'])
      .then(({ redisUrl }) => readRedisFacts(redisUrl))
      .then(({ version }) => version)
      .catch(() => undefined),
  ]);
  // Valkey has advisories of its own.
  return { ...(postgresql && { postgresql }), ...(redis && !redis.includes('Valkey') && { redis }) };
}

/** Known advisories of what is installed: exposed fails, accepted warns; the age of the list only warns. */
export function advisoriesResult(list: AdvisoryList, installed: Installed, now: Date): Result {
  const met = advisoriesMet(list, installed);
  const open = met.filter((each) => isOpen(each, now));
  const accepted = met.filter((each) => each.exposure === 'exposed' && !open.includes(each));
  const days = listDays(list, now);
  const evidence = `${open.length} open, ${accepted.length} accepted for a time, ${met.length - open.length - accepted.length} without effect here; list of ${list.asOf}`;
  const [first] = [...open, ...accepted];
  const items = [...open, ...accepted].map((each) => describeMet(each, now));
  const upgrade = first && `install ${first.product} ${fixedVersionOf(first)} or newer`;
  if (open.length > 0) return { ...fail(evidence, upgrade as string), items };
  if (days > LIST_DAYS_MAX)
    return {
      ...warn(`${evidence}, ${days} days old`, 'upgrade Sallyport: each release has a list of its time'),
      items,
    };
  return accepted.length > 0 ? { ...warn(evidence, upgrade as string), items } : pass(evidence);
}

export const advisoriesCheck: Check = {
  name: 'advisories',
  needs: 'databaseUrl',
  run: async () =>
    advisoriesResult(ADVISORIES, { ...packages(), ...(await stores()), node: process.version }, new Date()),
};
