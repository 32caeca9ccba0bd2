import { countEnqueued, jobRuns, jobsStalled } from '#jobs/metrics.ts';
import type { WorkerPorts, WorkerProcessor } from '#jobs/processors.ts';
import { leftOutJobs } from '#jobs/schedules.ts';
import { poolTimeouts, poolWait } from '#observability/metrics/postgres.ts';
import { version } from '#observability/version.ts';
import { allEnded } from '#services/core/shared/send-batch.ts';
import { createAccessDirectory } from '../core/access/access-directory.ts';
import { outboxPurges } from '../core/audit/maintain-audit-outbox.ts';
import { createFactorSeal } from '../core/identity/sessions/factor-seal.ts';
import { relyingParty } from '../core/identity/sessions/relying-party.ts';
import { createKeyRing } from '../core/keys/key-ring.ts';
import { readLogKeys } from '../core/keys/log/log-keys.ts';
import type { Log, MailTransport, MarkStore } from '../core/ports.ts';
import { createMarkedGuard } from '../core/revocations/database-guard.ts';
import type { Purge } from '../core/shared/purge.ts';
import type { TaskAdvance } from '../core/shared/task-kind.ts';
import { tokenNamesOf } from '../core/tokens/token-types.ts';
import { type Listed, loadList, modulesOf, purgesOf, pushedByDefault, readSecurityScore } from '../modules.ts';
import { type Config, keyEncryptionKeyOf, publicUrlOf } from '../platform/config/load.ts';
import { isLocalSmtp } from '../platform/config/mail.ts';
import type { DatabaseUrls } from '../platform/config/stores.ts';
import { systemClock, systemRandom } from '../platform/crypto/system.ts';
import { createVault } from '../platform/crypto/vault.ts';
import { isScheduled, type Job } from '../platform/define/job.ts';
import { createFileOutbox, mailFolderOf } from '../platform/mail/file-outbox.ts';
import { createSmtpTransport } from '../platform/mail/smtp.ts';
import { assertHighWaterPlace } from '../platform/marks/high-water-place.ts';
import { createPool, createSql, createTransact } from '../platform/postgres/pool.ts';
import { observePool } from '../platform/postgres/pool-gauges.ts';
import { oncePerMinute } from '../platform/process/once-per-minute.ts';
import { directVariableOf } from '../platform/process/probe-store.ts';
import { waitForStore } from '../platform/process/store-wait.ts';
import { type Consumer, type ConsumerOptions, startConsumer } from '../platform/queue/consumer.ts';
import { watchForDeadWorkers } from '../platform/queue/dead-workers.ts';
import { createProducer } from '../platform/queue/producer.ts';
import { createTimetable } from '../platform/queue/timetable.ts';
import { connectRedis } from '../platform/redis/redis.ts';
import { composeAuditLog } from './audit-log.ts';
import { watchCleanup } from './cleanup-gauges.ts';
import { createJobHandler } from './consume.ts';
import { createHandoffTransport } from './handoff.ts';
import { createHealth } from './health.ts';
import { installationOf, ownAddressesOf } from './installation.ts';
import { createLogoutTransport } from './logout.ts';
import { createRestoreDrill } from './restore-drill.ts';
import { showSchedules } from './schedule-gauges.ts';
import { createSiemTransport } from './siem.ts';

/** Where this worker sends mails: to the configured SMTP server, else to files in the data directory. */
function createMailTransport({ mail, server }: Config, dataDir: string, log: Log): MailTransport {
  const { smtpUrl, from } = mail;
  if (smtpUrl !== undefined) return createSmtpTransport({ url: smtpUrl, from, requireTls: !isLocalSmtp(smtpUrl) });
  if (server.profile !== 'development')
    log.warn({ setting: 'SMTP_URL' }, 'no SMTP server is set; mails are written to files in the data directory');
  return createFileOutbox(mailFolderOf(dataDir), from);
}

export type ComposeInput = DatabaseUrls & {
  readonly config: Config;
  readonly redisUrl: string;
  readonly authSecret: string;
  readonly marks: MarkStore;
  /** Where high-water marks and checkpoints are stored, outside the database. */
  readonly dataDir: string;
  readonly log: Log;
  readonly processors: readonly WorkerProcessor[];
};

/** Statements of jobs may take longer than those of requests; batches still keep each short. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** One connection for the transaction, and one for concurrent reads and external publication. */
const SEAL_CONNECTIONS = 3;
/** At most a quarter of the time after which a queue counts as stalled. */
const SAMPLE_MS = 15_000;
const CLEANUP_SAMPLE_MS = 30_000;

/** How many connections to PostgreSQL one worker opens at most. */
export const workerConnectionsOf = ({ stores }: Config): number => stores.poolConnections + SEAL_CONNECTIONS;

type Pools = ReturnType<typeof openPools>;

/** Opens the worker's connections; none is made before the first use. */
function openPools(input: ComposeInput) {
  const { config, log } = input;
  const databaseGuard = createMarkedGuard(input.marks);
  const settings = {
    applicationName: 'sallyport-worker',
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    lockTimeoutMs: 5_000,
    connectTimeoutMs: 5_000,
    onLost: databaseGuard.doubt,
  };
  const direct = { url: input.databaseUrl };
  // Sealing has few connections, and one of its transactions per second is long: a pooler would gain nothing.
  const sealPool = createPool({ ...settings, ...direct, role: 'sallyport_log_sealer', connections: SEAL_CONNECTIONS });
  const pool = createPool({
    ...settings,
    ...(input.pooledUrl === undefined ? direct : { url: input.pooledUrl, isPooled: true }),
    role: 'sallyport_worker',
    connections: config.stores.poolConnections,
    onWait: (waitMs, isGivenUp) => {
      poolWait.record(waitMs / 1_000, { pool: 'main' });
      if (isGivenUp) poolTimeouts.add(1, { pool: 'main' });
    },
  });
  observePool('main', pool);
  const onRedisError = oncePerMinute((err) => log.warn({ err }, 'redis is unreachable; jobs wait'));
  const redis = connectRedis(input.redisUrl, onRedisError);
  const producer = createProducer(input.redisUrl, onRedisError, countEnqueued);
  const onAfterCommitError = (err: unknown): void => log.error({ err }, 'an action after a commit failed');
  return {
    redis,
    producer,
    onRedisError,
    sealing: {
      sql: createSql(sealPool, databaseGuard),
      transact: createTransact(sealPool, onAfterCommitError, databaseGuard),
    },
    main: { sql: createSql(pool, databaseGuard), transact: createTransact(pool, onAfterCommitError, databaseGuard) },
    // The timetable is read from any database; what the job writes is checked against the high-water marks.
    timing: { sql: createSql(pool), transact: createTransact(pool, onAfterCommitError), clock: systemClock },
    close: () => Promise.allSettled([producer.close(), redis.close(), pool.end(), sealPool.end()]),
  };
}

function composePorts(input: ComposeInput, pools: Pools, purges: readonly Purge[]): WorkerPorts {
  const { config, log } = input;
  const { sealing, redis } = pools;
  const outside = {
    ...pools.main,
    redis,
    clock: systemClock,
    random: systemRandom,
    vault: createVault(keyEncryptionKeyOf(config, input.authSecret)),
    marks: input.marks,
    log,
  };
  const ports: Omit<WorkerPorts, 'loadTaskAdvances'> = {
    ...outside,
    readSecurityScore: () => readSecurityScore(config.wings, outside),
    legacyProvider: config.legacy.provider ?? null,
    auditLogKeys: (origin) => readLogKeys(outside, origin),
    // With the first report: a worker without compliance never needs the library that draws, and its 15 MB.
    renderReport: async (signed) => (await import('./report-pdf.ts')).renderReportPdf(signed, config.brand.name),
    installation: installationOf({
      ...input,
      backupFolder: config.compliance.backupFolder,
      ownAddresses: ownAddressesOf(config),
      purges,
    }),
    restoreDrill: createRestoreDrill(input.databaseUrl, { ...config.compliance, backups: config.backups }),
    ...composeAuditLog({ ...outside, ...sealing }, config, input.dataDir),
    sealing,
    config,
    // Empty, and nothing keeps it up to date: a job that needs a client loads it first.
    access: createAccessDirectory(outside, { stalenessBoundMs: config.stores.stalenessBoundMs }),
    keyRing: createKeyRing(outside, config.keys),
    // The timetable enqueues within seconds what a job requests.
    factorSeal: createFactorSeal(input.authSecret),
    relyingPartyId: relyingParty(publicUrlOf(config)).rpID,
    mailer: { publicUrl: publicUrlOf(config), wake: () => {} },
    mailTransport: createMailTransport(config, input.dataDir, log),
    brand: config.brand,
    tokenSettings: { ...config.tokens, ...tokenNamesOf(config.tokens, publicUrlOf(config)) },
    logoutTransport: createLogoutTransport(config.clients),
    handoff: {
      ...config.handoff,
      types: config.handoff.types ?? pushedByDefault,
      transport: createHandoffTransport(config.handoff),
    },
    pings: { transport: createHandoffTransport({ allowsPrivate: config.clients.logoutPrivate }) },
    signals: { transport: createHandoffTransport(config.signals) },
    alerts: {
      transport: createHandoffTransport(config.alerts),
      rules: modulesOf(config.wings).flatMap((each) => each.alerts),
    },
    siem: { targets: config.siem.targets, version, transport: createSiemTransport(config.siem) },
    keysChanged: () => {},
  };
  const bound = ({ name, advance }: Listed<'taskAdvances'>): TaskAdvance<unknown> => ({
    name,
    advance: (_ports, task, caller, whyNot) => advance(ports, task, caller, whyNot),
  });
  return { ...ports, loadTaskAdvances: async () => (await loadList('taskAdvances')).map(bound) };
}

/** Builds the ports of one worker, its timetable and its consumers; takes no job before `start`. */
export function compose(input: ComposeInput) {
  const { config, log } = input;
  const { processors: work } = input;
  const jobs = work.map(({ job }) => job);
  const queues = [...new Set(jobs.map((job) => job.queue))];
  const pools = openPools(input);
  const { producer, timing } = pools;
  const purges = [...purgesOf(modulesOf(config.wings)), ...outboxPurges(config.audit.outboxDays)];
  const ports = composePorts(input, pools, purges);
  const checkMs = config.jobs.scheduleCheckMs;
  const scheduled = jobs.filter(isScheduled);
  const asked = work.flatMap(({ job, question }) =>
    isScheduled(job) && question !== undefined ? [{ job, question: question(ports) }] : [],
  );
  const timetable = createTimetable({ ports: timing, producer, jobs: scheduled, asked, queues, checkMs, log });
  const stopping = new AbortController();
  const handle = createJobHandler({
    ...ports,
    sql: timing.sql,
    ports,
    processors: work,
    leftOut: leftOutJobs(config.wings),
    timetable,
    stopping: stopping.signal,
  });
  const consumers: Consumer[] = [];
  const health = createHealth({
    producer,
    consumers,
    timetable,
    jobs,
    clock: systemClock,
    stallSeconds: config.jobs.stallSeconds,
    sampleMs: Math.min(SAMPLE_MS, config.jobs.stallSeconds * 250),
    checkMs,
  });
  const watches: ({ close(): unknown } | undefined)[] = [];
  return {
    health,
    /** Starts even before Postgres and Redis are available; where the place of the marks counts, after Postgres. */
    start: async () => {
      await waitForMarks(input, timing);
      await timetable.reconcile();
      timetable.start();
      watches.push(showSchedules(timetable, scheduled));
      for (const queue of queues) consumers.push(consume(queue, handle, { input, jobs, onError: pools.onRedisError }));
      watches.push(watchForDeadWorkers(producer, consumers));
      health.start();
      watches.push(watchCleanup(ports, purges, CLEANUP_SAMPLE_MS));
      const copy = { kind: 'worker', config } as const;
      for (const watch of await loadList('watches', config.wings)) watches.push(watch(ports));
      for (const watch of await loadList('copyWatches', config.wings)) watches.push(watch({ ...ports, copy }));
    },
    /** Takes no more jobs and waits for the running ones; those still running after `longestMs` are aborted. */
    drain: async (longestMs: number) => {
      const cut = setTimeout(() => stopping.abort(), longestMs);
      await Promise.allSettled(consumers.map((consumer) => consumer.close()));
      clearTimeout(cut);
      health.close();
      await allEnded(watches.map((watch) => watch?.close()));
      await timetable.close();
      await allEnded([ports.checkpointOutbox.close(), ports.mailTransport.close()]);
      await pools.close();
    },
  };
}

/** Waits for Postgres where the place of the high-water marks counts. */
const waitForMarks = ({ config, databaseUrl, pooledUrl, log }: ComposeInput, timing: Pools['timing']): Promise<void> =>
  waitForStore(() => assertHighWaterPlace(timing, config), {
    store: 'PostgreSQL',
    url: databaseUrl,
    variable: directVariableOf(pooledUrl),
    waitSeconds: config.stores.waitSeconds,
    say: (waiting) => log.warn({ waiting }, 'the start waits for PostgreSQL'),
  });

/** Of the job of the queue that must continue the soonest after the death of its worker. */
const lockMsOf = (queue: string, jobs: readonly Job[], { jobs: { lockMs } }: Config): number =>
  Math.min(lockMs, ...jobs.filter((job) => job.queue === queue).map((job) => (job.lockSeconds ?? Infinity) * 1_000));

const consume = (
  queue: Job['queue'],
  handle: ConsumerOptions['handle'],
  {
    input,
    jobs,
    onError,
  }: { readonly input: ComposeInput; readonly jobs: readonly Job[] } & Pick<ConsumerOptions, 'onError'>,
): Consumer =>
  startConsumer({
    queue,
    redisUrl: input.redisUrl,
    lockMs: lockMsOf(queue, jobs, input.config),
    handle,
    onStalled: () => jobsStalled.add(1, { queue }),
    onStalledToDeath: (name, id) => {
      const job = jobs.find((each) => each.name === name);
      if (job) jobRuns.add(1, { queue, job: job.name, outcome: 'dead' });
      input.log.error({ job: job?.name, job_id: id }, 'a job made its workers crash and is kept as a dead letter');
    },
    onError,
  });

export type Composed = ReturnType<typeof compose>;
