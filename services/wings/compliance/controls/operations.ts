import { publicUrlOf } from '#services/platform/config/load.ts';
import { checked, type Observation } from '../control.ts';
import {
  FORBIDDEN,
  readArchiver,
  readConnection,
  readFeed,
  readNewestDrill,
  refusalOf,
} from '../probes/custody.store.ts';
import { inRollback } from '../probes/in-rollback.ts';
import { tallied } from '../probes/tally.store.ts';
import { schedulesTally } from '../probes/trail.store.ts';

const AGE_MAX_HOURS = 24;
/** Two rehearsals may fail before a control does. */
const DRILL_AGE_MAX_DAYS = 22;

const INSUFFICIENT_PRIVILEGE = '42501';

function drillFault(newest: Awaited<ReturnType<typeof readNewestDrill>>, isConfigured: boolean): string | null {
  if (newest === null)
    return isConfigured ? 'no rehearsal has ended yet' : 'RESTORE_DRILL_URL is not set: no restore is rehearsed';
  if (newest.outcome !== 'ok') return 'the newest rehearsal failed';
  return newest.seconds_ago > DRILL_AGE_MAX_DAYS * 86_400
    ? `the newest rehearsal is more than ${DRILL_AGE_MAX_DAYS} days old`
    : null;
}

/** Operations: scheduled work, backups, the state of the database, and encrypted connections. */
export const operationsControls = [
  checked({
    name: 'scheduled-work-runs',
    title: 'Every scheduled job has succeeded lately',
    clause: '164.308(a)(1)(ii)(B)',
    population: 'scheduled jobs',
    probe: 'Finds jobs whose last success is more than three periods, and an hour, ago',
    evidence: 'Number of scheduled jobs, and names of those that do not succeed',
    threat: 'A safeguard stops without notice',
    humanDuty: 'Act on the alerts ScheduleStale and DeadLetters.',
    check: tallied(schedulesTally, 'the job has not succeeded lately'),
  }),
  checked({
    name: 'backups-recent',
    title: 'The newest backup is less than a day old',
    clause: '164.308(a)(7)(ii)(A)',
    population: 'means of backup: WAL archiving, and the backup folder',
    probe: 'Reads when PostgreSQL last archived WAL, and the age of the newest file in the backup folder',
    evidence: 'Hours since the last archived segment and since the newest file, and its size',
    threat: 'A lost disk or ransomware ends the service',
    humanDuty: 'Keep a copy elsewhere, and rehearse restoring it.',
    check: async ({ sql, clock, installation }): Promise<Observation> => {
      const archiver = await readArchiver(sql);
      const newest = await installation.newestBackup();
      const isArchiving = archiver.mode !== 'off';
      const archivedHours = archiver.seconds_ago === null ? null : Math.floor(archiver.seconds_ago / 3_600);
      const fileHours = newest == null ? null : Math.floor(Math.max(0, clock.now() - newest.writtenAtMs) / 3_600_000);
      const isFresh = (hours: number | null): boolean => hours !== null && hours < AGE_MAX_HOURS;
      const means = [isArchiving, newest !== undefined].filter(Boolean).length;
      const isBacked = (isArchiving && isFresh(archivedHours)) || (isFresh(fileHours) && (newest?.bytes ?? 0) > 0);
      const why =
        means === 0
          ? 'PostgreSQL does not archive WAL, and BACKUP_FOLDER is not set: no backup is visible'
          : 'the newest backup is more than a day old, empty or missing';
      return {
        population: Math.max(means, 1),
        exceptions: isBacked ? [] : [{ resource: 'backup', why }],
        observed: {
          archive_mode: archiver.mode,
          archived_hours_ago: archivedHours,
          folder_configured: newest !== undefined,
          newest_file_hours_ago: fileHours,
          newest_file_bytes: newest?.bytes ?? null,
        },
      };
    },
  }),
  checked({
    name: 'restore-drill',
    title: 'Restoring a backup is rehearsed',
    clause: '164.308(a)(7)(ii)(D)',
    population: 'the newest rehearsal',
    probe:
      'Reads the newest event of a rehearsal: the installation is backed up and restored into a database beside it, every table is read back, references and the audit log are checked',
    evidence:
      'Days since the rehearsal, seconds it took, rows and tables restored, orphans found, sealed events verified',
    threat: 'A backup turns out to be useless on the day it is needed',
    humanDuty: 'Set RESTORE_DRILL_URL, and restore a kept backup on other machines once in half a year.',
    check: async ({ sql, config }): Promise<Observation> => {
      const newest = await readNewestDrill(sql);
      const isConfigured = config.compliance.restoreDrillUrl !== undefined;
      const daysAgo = newest && Math.floor(newest.seconds_ago / 86_400);
      const why = drillFault(newest, isConfigured);
      return {
        population: 1,
        exceptions: why === null ? [] : [{ resource: 'restore-drill', why }],
        observed: {
          configured: isConfigured,
          days_ago: daysAgo,
          outcome: newest?.outcome ?? null,
          rehearsal: newest?.detail ?? null,
        },
      };
    },
  }),
  checked({
    name: 'state-not-rewound',
    title: 'The database is no older than the newest state known outside it',
    clause: '164.308(a)(7)(ii)(B)',
    population: 'the database',
    probe: 'Compares the state of the database with its high-water marks, which are stored outside it',
    evidence: 'Revocation epoch and beat of the database and of the marks',
    threat: 'A restored backup revives revoked tokens',
    humanDuty: 'Store the marks where the operators of the database cannot write (MARK_STORE).',
    check: async ({ sql, marks }): Promise<Observation> => {
      // The marks first: the database only advances meanwhile.
      const outside = await marks.read();
      const inside = await readFeed(sql);
      const isReplaced = outside !== null && inside.replaced.includes(outside.incarnation);
      const isOther = outside !== null && outside.incarnation !== inside.incarnation && !isReplaced;
      const isBehind =
        outside !== null &&
        outside.incarnation === inside.incarnation &&
        (inside.revocation_epoch < outside.revocationEpoch || inside.beat < outside.beat);
      return {
        population: outside === null ? 0 : 1,
        exceptions: [
          ...(isBehind ? [{ resource: 'database', why: 'the database is older than its high-water marks' }] : []),
          ...(isOther ? [{ resource: 'database', why: 'the high-water marks are of another database' }] : []),
        ],
        observed: {
          revocation_epoch: inside.revocation_epoch,
          marked_epoch: outside?.revocationEpoch ?? null,
          beat: inside.beat,
          marked_beat: outside?.beat ?? null,
        },
      };
    },
  }),
  checked({
    name: 'forbidden-sql-refused',
    title: 'The database role of the processes can neither change the audit log nor create tables',
    clause: '164.312(a)(1)',
    population: 'forbidden statements',
    probe: 'Tries each forbidden statement with the connection of the worker, in a transaction that is rolled back',
    evidence: 'The SQLSTATE that answered each statement (42501 is insufficient_privilege)',
    threat: 'An attacker who controls a process rewrites the record of what he did',
    humanDuty: 'Give the processes a database user that is no superuser, and keep the owner’s credentials elsewhere.',
    check: async (ports): Promise<Observation> => {
      const answers = await inRollback(ports, async (tx) => {
        const seen: (readonly [string, string | null])[] = [];
        for (const statement of FORBIDDEN) seen.push([statement[0], await refusalOf(tx, statement)]);
        return seen;
      });
      return {
        population: answers.length,
        exceptions: answers
          .filter(([, code]) => code !== INSUFFICIENT_PRIVILEGE)
          .map(([what]) => ({ resource: what, why: 'the role of the process may run a forbidden statement' })),
        observed: { answers: Object.fromEntries(answers) },
      };
    },
  }),
  checked({
    name: 'transport-public-tls',
    title: 'Clients reach the API over TLS only',
    clause: '164.312(e)(1)',
    population: 'public addresses of the API',
    probe: 'Reads the public URL and the safety profile that this process runs with',
    evidence: 'Scheme of the public URL, and the profile',
    threat: 'An attacker on the network reads tokens',
    humanDuty: 'Configure TLS 1.2 or later at the proxy, and close the plaintext port.',
    check: async ({ config }): Promise<Observation> => {
      const { protocol, hostname } = new URL(publicUrlOf(config));
      const { profile } = config.server;
      const observed = { scheme: protocol.slice(0, -1), profile };
      if (protocol === 'https:') return { population: 1, exceptions: [], observed };
      if (profile === 'development' && ['127.0.0.1', 'localhost', '[::1]'].includes(hostname))
        return { population: 0, exceptions: [], observed, notApplicable: 'the API serves this machine only' };
      return {
        population: 1,
        exceptions: [{ resource: 'BETTER_AUTH_URL', why: 'the public URL is not https' }],
        observed,
      };
    },
  }),
  checked({
    name: 'transport-database-tls',
    title: 'Connections to PostgreSQL over a network are encrypted',
    clause: '164.312(e)(2)(ii)',
    population: 'the worker’s connection, if PostgreSQL is on another machine',
    probe: 'Asks PostgreSQL whether the connection of this worker is encrypted, and with which version of TLS',
    evidence: 'Whether the connection is encrypted, and its version of TLS',
    threat: 'An attacker on the network reads the database’s traffic',
    humanDuty: 'Verify the server’s certificate (sslmode=verify-full), and refuse plaintext in pg_hba.conf.',
    check: async ({ installation: { database }, ...ports }): Promise<Observation> => {
      const { ssl, version } = await inRollback(ports, readConnection);
      const observed = { is_local: database.isLocal, ssl, version };
      if (database.isLocal)
        return { population: 0, exceptions: [], observed, notApplicable: 'PostgreSQL is on this machine' };
      return {
        population: 1,
        exceptions: ssl ? [] : [{ resource: 'DATABASE_URL', why: 'the connection to PostgreSQL is not encrypted' }],
        observed,
      };
    },
  }),
  checked({
    name: 'transport-redis-tls',
    title: 'Connections to Redis over a network are encrypted',
    clause: '164.312(e)(2)(ii)',
    population: 'the URL of Redis, if it is on another machine',
    probe: 'Reads whether the URL that this process connected with asks for TLS; such a client refuses plaintext',
    evidence: 'Whether Redis is on this machine, and whether the URL asks for TLS',
    threat: 'An attacker on the network reads or adds jobs',
    humanDuty: 'Turn off the plaintext port of Redis, and limit who reaches it.',
    check: async ({ installation: { redis } }): Promise<Observation> => {
      const observed = { is_local: redis.isLocal, asks_for_tls: redis.asksForTls };
      if (redis.isLocal) return { population: 0, exceptions: [], observed, notApplicable: 'Redis is on this machine' };
      return {
        population: 1,
        exceptions: redis.asksForTls
          ? []
          : [{ resource: 'REDIS_URL', why: 'the connection to Redis is not encrypted' }],
        observed,
      };
    },
  }),
] as const;
