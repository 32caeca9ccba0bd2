import { openNote, parseCheckpoint } from '#services/core/audit/log/note.ts';
import { readLogStatus } from '#services/core/audit/seal/settle-log.ts';
import { validateAuditTrail } from '#services/core/audit/trail/validate-audit-trail.ts';
import { checked, type Observation } from '../control.ts';
import { tallied } from '../probes/tally.store.ts';
import { appendOnlyTally, readHeads, readSealing, readSinks } from '../probes/trail.store.ts';

const LAG_MAX_SECONDS = 60;

const FAILING_MAX_SECONDS = 3_600;

const UNCOVERED_MAX_SECONDS = 300;

async function openHead(
  note: string,
  keys: Parameters<typeof openNote>[1],
): Promise<ReturnType<typeof parseCheckpoint> | null> {
  try {
    return parseCheckpoint(openNote(note, keys).text);
  } catch {
    return null;
  }
}

/** The audit log: it grows only, and its head is signed. */
export const auditControls = [
  checked({
    name: 'audit-sealing-current',
    title: 'Every audit event is sealed within a minute',
    clause: '164.312(b)',
    population: 'audit logs in use',
    probe:
      'Reads the age of the oldest unsealed event, whether sealing has stopped, and rows outside a daily partition',
    evidence: 'Age in seconds, the reason of a stop, and the number of stray rows',
    threat: 'Events are deleted before they are sealed',
    humanDuty: 'Act on the alerts AuditOutboxOld and AuditSealingStopped.',
    check: async ({ sql }): Promise<Observation> => {
      const {
        logs,
        oldest_unsealed_seconds: oldestUnsealedSeconds,
        stopped_reason: stoppedReason,
        stray,
      } = await readSealing(sql);
      const age = Math.round(oldestUnsealedSeconds);
      const faults = [
        ...(stoppedReason === null ? [] : [`sealing has stopped: ${stoppedReason}`]),
        ...(age > LAG_MAX_SECONDS ? [`an event has waited for ${age} s`] : []),
        ...(stray > 0 ? ['events lie outside a daily partition'] : []),
      ];
      return {
        population: Math.max(logs, faults.length > 0 ? 1 : 0),
        exceptions: faults.length > 0 ? [{ resource: 'audit log', why: faults.join('; ') }] : [],
        observed: { logs, oldest_unsealed_seconds: age, stopped_reason: stoppedReason, stray_rows: stray },
      };
    },
  }),
  checked({
    name: 'audit-append-only',
    title: 'Sealed events can only be appended: a trigger and the rights of all roles refuse changes',
    clause: '164.312(c)(1)',
    population: 'three triggers and eighteen rights on the table of sealed events',
    probe: 'Reads the triggers of audit_events and the rights of the roles of processes from the catalogue',
    probeVersion: 2,
    evidence: 'Triggers that are missing or disabled, and rights that a role has too many',
    threat: 'An insider edits or deletes audit events',
    humanDuty: 'Limit who can connect as the owner of the tables.',
    check: tallied(appendOnlyTally, 'sealed events can be changed'),
  }),
  checked({
    name: 'audit-checkpoints-published',
    title: 'Signed heads of the audit log leave the database',
    clause: '164.312(c)(1)',
    population: 'places that receive checkpoints',
    probe: 'Reads for each sink how long deliveries have failed and how far it is behind the log',
    evidence: 'Name, size and failing time of each sink',
    threat: 'A restored or rewritten database signs another history',
    humanDuty: 'Choose a sink that the operators of the database cannot write (AUDIT_CHECKPOINT_SINKS).',
    check: async ({ sql, config }): Promise<Observation> => {
      const sinks = await readSinks(sql);
      const wanted = config.audit.sinks.length;
      const failing = sinks.filter((row) => row.failing_seconds > FAILING_MAX_SECONDS);
      return {
        population: Math.max(wanted, sinks.length, 1),
        sampled: Math.max(sinks.length, wanted === 0 ? 1 : 0),
        exceptions: [
          ...(wanted === 0 ? [{ resource: 'AUDIT_CHECKPOINT_SINKS', why: 'no place receives checkpoints' }] : []),
          ...failing.map(({ sink }) => ({ resource: sink, why: 'deliveries have failed for more than an hour' })),
        ],
        observed: {
          configured: wanted,
          sinks: sinks.map((row) => ({
            sink: row.sink,
            size: row.size,
            log_size: row.log_size,
            failing_seconds: Math.round(row.failing_seconds),
          })),
        },
      };
    },
  }),
  checked({
    name: 'audit-log-not-rewound',
    title: 'The audit log continues the head that is known outside the database',
    clause: '164.312(c)(1)',
    population: 'audit logs in use',
    probe: 'Compares the log with its high-water mark, which is stored outside the database',
    evidence: 'The result of the comparison, with origin and size of log and mark',
    threat: 'A backup is restored to lose inconvenient events',
    humanDuty: 'Store the mark where the operators of the database cannot write (MARK_STORE).',
    check: async (ports): Promise<Observation> => {
      const state = await readLogStatus(ports);
      const isBroken = state !== null && state.status !== 'current' && state.status !== 'swap';
      return {
        population: state === null ? 0 : 1,
        exceptions: isBroken
          ? [{ resource: state.log.origin, why: `the log and its mark disagree: ${state.status}` }]
          : [],
        observed:
          state === null
            ? {}
            : {
                origin: state.log.origin,
                size: state.log.size,
                mark_size: state.mark?.size ?? null,
                status: state.status,
              },
      };
    },
  }),
  checked({
    name: 'audit-head-signed',
    title: 'The head of the audit log has a valid signature of the log’s key',
    clause: '164.312(c)(2)',
    population: 'audit logs in use',
    probe:
      'Verifies the signature of the newest checkpoint, and that it states the size and root that the database has',
    evidence: 'Origin, size and root that are signed, and the size of the log',
    threat: 'An attacker publishes a forged head',
    humanDuty: 'Pin the verifier key of the log outside the installation.',
    check: async ({ sql, auditLogKeys }): Promise<Observation> => {
      const heads = await readHeads(sql);
      const exceptions: { resource: string; why: string }[] = [];
      const genuine: boolean[] = [];
      for (const { origin, log_size: logSize, log_root: logRoot, size, root, note, age_seconds: ageSeconds } of heads) {
        if (note === null) {
          exceptions.push({ resource: origin, why: 'no checkpoint is signed' });
          continue;
        }
        const signed = await openHead(note, await auditLogKeys(origin));
        genuine.push(signed !== null);
        const isOld = (size ?? 0) < logSize && (ageSeconds ?? 0) > UNCOVERED_MAX_SECONDS;
        if (signed === null)
          exceptions.push({ resource: origin, why: 'the signature of the newest checkpoint is wrong' });
        else if (signed.size !== size || signed.root.toString('base64') !== root)
          exceptions.push({ resource: origin, why: 'the signed head is not the stored one' });
        else if (size === logSize && root !== logRoot)
          exceptions.push({ resource: origin, why: 'the signed root is not the root of the log' });
        else if (isOld) exceptions.push({ resource: origin, why: 'events have not been covered for five minutes' });
      }
      return {
        population: heads.length,
        exceptions,
        observed: {
          heads: heads.map((row) => ({ origin: row.origin, log_size: row.log_size, size: row.size, root: row.root })),
          genuine,
        },
      };
    },
  }),
  checked({
    name: 'audit-log-recomputed',
    title: 'The root recomputed from every audit event equals the signed root',
    clause: '164.312(c)(2)',
    population: 'sealed events',
    probe:
      'Recomputes the Merkle tree of every log from its rows and compares it with tiles, checkpoints and the mark outside',
    evidence: 'Events read, faults by kind, and origin, size and root of each log',
    pace: 'thorough',
    threat: 'A superuser of the database edits an event and rebuilds the tree',
    humanDuty: 'Keep checkpoints where the operators of the database cannot write.',
    check: async ({ sql, auditLogKeys, logMark }): Promise<Observation> => {
      const mark = await logMark.read();
      const outside = mark === null ? [] : [{ where: 'the high-water mark', head: mark, isMark: true }];
      const result = await validateAuditTrail({ sql, auditLogKeys }, outside);
      const broken = result.faultCount + result.gaps.length;
      return {
        population: Math.max(result.checked, broken),
        exceptions: [
          ...result.faults.map(({ code, seq }) => ({ resource: seq === null ? code : `event ${seq}`, why: code })),
          ...result.gaps.map(({ from, to }) => ({ resource: `events ${from} to ${to}`, why: 'rows are missing' })),
        ].slice(0, 20),
        exceptionCount: broken,
        observed: {
          checked: result.checked,
          faults: result.faultCount,
          first_bad_seq: result.firstBadId,
          logs: result.logs.map(({ origin, size, root }) => ({ origin, size, root })),
        },
      };
    },
  }),
] as const;
