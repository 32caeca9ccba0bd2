import { newestFigure } from '#load-tests/lib/benchmarks-page.ts';
import { page, table } from './pages.ts';

/** What a user does, as assumed. Change a number here to see another table. */
const ASSUMED = {
  activeShare: 0.2,
  signInsADay: 1,
  refreshesADay: 32,
  validationsADay: 200,
  peakHourShare: 0.2,
  /** Of the cores, at the peak. */
  busyShare: 0.5,
  keptYears: 6,
  outboxDays: 3,
} as const;
/** An API copy with two hashing processes and a full cache of tokens (docs/how-to/run-in-production.md). */
const API_COPY_MB = 225 + 2 * 35 + 128;
const CORES_OF_A_COPY = 1;
const SIZES = [1_000, 100_000, 10_000_000] as const;
const SECONDS_OF_AN_HOUR = 3_600;
const DAYS_OF_A_YEAR = 365;

type Measured = {
  readonly perCoreSecond: { readonly signIns: number; readonly refreshes: number; readonly validations: number };
  readonly userBytes: number;
  readonly eventBytes: number;
  readonly outboxBytes: number;
  readonly pairBytes: number;
};

/** Of the whole product, stores included. @throws if a figure was not measured */
function measuredIn(folder: string): Measured {
  const ofWholeProduct = (operation: string): number => {
    const { detail } = newestFigure(folder, 'sessions', `${operation}, 10000 users signed in ÷ 100`);
    const [, each] = /([\d.]+) a CPU-s of the whole product/.exec(detail) ?? [];
    if (each === undefined) throw new Error(`the bench of sessions does not say what ${operation} costs`);
    return Number(each);
  };
  const bytes = (name: string): number => newestFigure(folder, 'storage', name).value;
  return {
    perCoreSecond: {
      signIns: ofWholeProduct('login'),
      refreshes: ofWholeProduct('refresh'),
      validations: ofWholeProduct('validate'),
    },
    userBytes: bytes('PostgreSQL, a signed-in user'),
    eventBytes: bytes('PostgreSQL, a sealed event'),
    outboxBytes: bytes('PostgreSQL, an event in the outbox'),
    pairBytes: bytes('Redis, a live token pair'),
  };
}

export type Sizing = {
  readonly active: number;
  readonly peak: { readonly signIns: number; readonly refreshes: number; readonly validations: number };
  readonly cores: { readonly signIns: number; readonly refreshes: number; readonly validations: number };
  readonly copies: number;
  readonly eventsADay: number;
  readonly bytes: {
    readonly users: number;
    readonly outbox: number;
    readonly logAYear: number;
    readonly redis: number;
  };
};

export function sizingOf(users: number, measured: Measured): Sizing {
  const active = users * ASSUMED.activeShare;
  const perSecond = (each: number): number => (active * each * ASSUMED.peakHourShare) / SECONDS_OF_AN_HOUR;
  const peak = {
    signIns: perSecond(ASSUMED.signInsADay),
    refreshes: perSecond(ASSUMED.refreshesADay),
    validations: perSecond(ASSUMED.validationsADay),
  };
  const coresFor = (what: keyof typeof peak): number => peak[what] / measured.perCoreSecond[what] / ASSUMED.busyShare;
  const cores = {
    signIns: coresFor('signIns'),
    refreshes: coresFor('refreshes'),
    validations: coresFor('validations'),
  };
  const eventsADay = active * (ASSUMED.signInsADay + ASSUMED.refreshesADay);
  return {
    active,
    peak,
    cores,
    copies: Math.max(2, Math.ceil((cores.refreshes + cores.validations) / CORES_OF_A_COPY)),
    eventsADay,
    bytes: {
      users: users * measured.userBytes,
      outbox: eventsADay * ASSUMED.outboxDays * measured.outboxBytes,
      logAYear: eventsADay * DAYS_OF_A_YEAR * measured.eventBytes,
      redis: active * measured.pairBytes,
    },
  };
}

const number = (value: number): string => {
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return value >= 10 ? value.toFixed(1) : value.toPrecision(3);
};
const UNITS = ['kB', 'MB', 'GB', 'TB'] as const;
function size(bytes: number): string {
  let [value, at] = [bytes / 1_000, 0];
  for (; value >= 1_000 && at < UNITS.length - 1; at += 1) value /= 1_000;
  return `${number(value)} ${UNITS[at]}`;
}

/** `docs/reference/sizing.md`, from the newest results of the benches `sessions` and `storage`. */
export function sizingPage(folder: string): string {
  const measured = measuredIn(folder);
  const each = SIZES.map((users) => ({ users, ...sizingOf(users, measured) }));
  const row = (name: string, cell: (sizing: (typeof each)[number]) => string): string[] => [name, ...each.map(cell)];
  const { perCoreSecond: speed } = measured;
  const percent = (share: number): string => `${share * 100} %`;
  const { activeShare, signInsADay, refreshesADay, validationsADay, peakHourShare, busyShare, outboxDays } = ASSUMED;
  const coresRow = (name: string, what: keyof typeof speed): string[] =>
    row(name, ({ peak, cores }) => `${number(peak[what])} ÷ ${speed[what]} ÷ ${busyShare} = ${number(cores[what])}`);
  const body = [
    '## What is assumed',
    '',
    `- ${percent(activeShare)} of the users are active on a day. Each of them signs in ${signInsADay === 1 ? 'once' : `${signInsADay} times`} with a password, refreshes ${refreshesADay} times (eight hours, every 15 minutes) and has ${validationsADay} tokens validated at the API. Services that verify offline ask the API nothing.`,
    `- The busiest hour has ${percent(peakHourShare)} of the day. At the peak, cores are ${percent(busyShare)} busy.`,
    `- Each sign-in and refresh is an audit event. It stays in the outbox for ${outboxDays} days and in the log for good; six years is the least for evidence.`,
    '',
    '## What was measured',
    '',
    'Work per core and second is that of the whole product, stores included, with 10,000 users signed in on two cores. Bytes are live rows with their indexes.',
    '',
    table(
      ['figure', 'measured', 'bench'],
      [
        ['sign-ins per core and second', String(speed.signIns), 'sessions'],
        ['refreshes per core and second', String(speed.refreshes), 'sessions'],
        ['validations per core and second', String(speed.validations), 'sessions'],
        ['a signed-in user in PostgreSQL', `${number(measured.userBytes)} bytes`, 'storage'],
        ['a sealed event in PostgreSQL', `${number(measured.eventBytes)} bytes`, 'storage'],
        ['an event in the outbox', `${number(measured.outboxBytes)} bytes`, 'storage'],
        ['a live token pair in Redis', `${number(measured.pairBytes)} bytes`, 'storage'],
      ],
    ),
    '',
    '## Cores, memory and storage',
    '',
    table(
      ['', ...SIZES.map((users) => `${users.toLocaleString('en')} users`)],
      [
        row('active users', ({ active }) => number(active)),
        coresRow('cores for sign-ins', 'signIns'),
        coresRow('cores for refreshes', 'refreshes'),
        coresRow('cores for validation', 'validations'),
        row('cores, all in all', ({ cores }) => `**${number(cores.signIns + cores.refreshes + cores.validations)}**`),
        row('API copies', ({ copies }) => String(copies)),
        row(
          'memory of the API copies',
          ({ copies }) => `${copies} × ${API_COPY_MB} MB = **${size(copies * API_COPY_MB * 1e6)}**`,
        ),
        row('memory of Redis for tokens', ({ bytes }) => `**${size(bytes.redis)}**`),
        row('storage for users', ({ bytes }) => size(bytes.users)),
        row('audit events a day', ({ eventsADay }) => number(eventsADay)),
        row('storage for the outbox', ({ bytes }) => size(bytes.outbox)),
        row('storage for the log, a year', ({ bytes }) => `**${size(bytes.logAYear)}**`),
      ],
    ),
    '',
    '## How to read it',
    '',
    '- The formulas are those of the rows; sign-ins a second at the peak = active users × sign-ins a day × share of the busiest hour ÷ 3,600.',
    `- An API copy uses one core beside its hashing processes, and there are at least two. Its memory is 225 MB busy, two hashing processes of 35 MB and a cache of 128 MB ([run in production](../how-to/run-in-production.md#processes)). A worker had 398 MB at its peak in the bench \`compliance-report\`.`,
    '- Storage is without free room, WAL and backups: plan twice as much.',
    '- Only up to 10,000 users on two cores were measured. The column of 10 million is arithmetic from there: one primary must take its refreshes, so measure yours before you rely on it.',
    '- Passwords decide the cores. Passkeys and other providers need no hash.',
  ].join('\n');
  return page(
    'Sizing',
    'How many cores, how much memory and storage an installation needs, computed from the figures in [the benchmarks](../benchmarks.md), which say how old they are.',
    body,
  );
}
