import { parseArgs } from 'node:util';
import { cases } from './cases/all.ts';
import { allFaults } from './faults/all.ts';
import { SURFACES } from './ledger.ts';
import type { RewindKind } from './rewinds.ts';

export const HELP = `npm run chaos [-- --seconds 120] [--seed N] [--faults a,b] [--cases yes|no] [--report FILE] [--json]
  [--stores one|patroni] [--times N]

Starts two copies of the product (supervisor, API and worker each) on a PostgreSQL and a Redis of their own, lets clients
work while things break, and checks everything that was acknowledged. Ends with 1 if a guarantee was violated, or if a
gate checked nothing that no option excluded.

  --seconds N     how long faults happen, one every ten seconds (default 120)
  --seed N        draws faults and requests (default: drawn, and printed)
  --faults a,b    only these of the faults below, and of the databases older-database, lagging-standby,
                  lagging-standby-and-compromise, which come last; none: no faults
  --stores S      one PostgreSQL (default), or three under Patroni with etcd and HAProxy, with the faults
                  kill-primary and lose-zone; needs Debian's patroni, etcd-server, postgresql and haproxy
  --times N       this many faults in all, whatever --seconds says
  --cases yes|no  the named cases first (default yes)
  --pace P        the clients' pace (default 1)
  --report FILE   writes the report as Markdown
  --json          prints the report as one line of JSON

Surfaces: ${SURFACES.join(', ')}, hand-offs

Faults: ${allFaults.map(({ name }) => name).join(' ')}

Cases:
${cases.map(({ name }) => `  ${name}`).join('\n')}
`;

const REWINDS: readonly RewindKind[] = ['older-database', 'lagging-standby', 'lagging-standby-and-compromise'];

const ALL_REWINDS_SECONDS = 300;

/** What happens to the database at the end: an older one always, all of it in a long run. */
export const rewindsOf = ({
  faults,
  seconds,
  hasCluster,
}: Pick<Options, 'faults' | 'seconds' | 'hasCluster'>): RewindKind[] =>
  (hasCluster ? [] : REWINDS).filter(
    (kind, at) => faults?.includes(kind) ?? (at === 0 || seconds >= ALL_REWINDS_SECONDS),
  );

/** Gates that look at the product while a store fails. */
const STORE_GATES: ReadonlySet<string> = new Set([
  'late refusals',
  'sessions above the setting',
  'retry storms at stores',
]);

/** The option that left a gate without anything to check, if one did. */
export function exclusionOf(
  gate: string,
  options: Pick<Options, 'faults' | 'seconds' | 'hasCluster'>,
): { readonly excludedBy?: string } {
  if (gate === 'answers of an older database' && rewindsOf(options).length === 0)
    return { excludedBy: options.hasCluster ? '--stores' : '--faults' };
  if (STORE_GATES.has(gate) && options.faults !== undefined) return { excludedBy: '--faults' };
  if (gate !== 'recovery after every fault' && !STORE_GATES.has(gate)) return {};
  if (options.faults?.length === 0) return { excludedBy: '--faults' };
  return options.seconds === 0 && rewindsOf(options).length === 0 ? { excludedBy: '--seconds' } : {};
}

export type Options = {
  readonly seconds: number;
  readonly seed: number;
  /** Undefined: all of them. */
  readonly faults: readonly string[] | undefined;
  /** How many faults; undefined: as many as the time allows. */
  readonly times: number | undefined;
  readonly hasCluster: boolean;
  readonly hasCases: boolean;
  readonly pace: number;
  readonly report: string | undefined;
  readonly isJson: boolean;
};

export class UsageError extends Error {}

function numberOf(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < least) throw new UsageError(`--${name} takes a number of ${least} or more`);
  return value;
}

/** @throws UsageError; undefined: help was asked for */
export function readOptions(args: readonly string[]): Options | undefined {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (err) {
    throw new UsageError((err as Error).message);
  }
  if (values.help) return undefined;
  const names = values.faults?.split(',').filter((name) => name !== 'none');
  const known = new Set<string>([...allFaults.map(({ name }) => name), ...REWINDS]);
  const unknown = names?.find((name) => !known.has(name));
  if (unknown !== undefined) throw new UsageError(`no fault is named ${unknown}: see --help`);
  if (!['yes', 'no'].includes(values.cases)) throw new UsageError('--cases takes yes or no');
  if (!['one', 'patroni'].includes(values.stores)) throw new UsageError('--stores takes one or patroni');
  return {
    times: values.times === undefined ? undefined : numberOf('times', values.times, 1),
    hasCluster: values.stores === 'patroni',
    seconds: numberOf('seconds', values.seconds, 0),
    seed: Math.floor(values.seed === undefined ? Math.random() * 2 ** 31 : numberOf('seed', values.seed, 0)),
    faults: names,
    hasCases: values.cases === 'yes' && values.stores === 'one',
    pace: numberOf('pace', values.pace, 0.01),
    report: values.report,
    isJson: values.json,
  };
}

const parse = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '120' },
      seed: { type: 'string' },
      faults: { type: 'string' },
      stores: { type: 'string', default: 'one' },
      times: { type: 'string' },
      cases: { type: 'string', default: 'yes' },
      pace: { type: 'string', default: '1' },
      report: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;
