import { validateAuditTrail } from '#services/domain/audit/trail/validate-audit-trail.ts';
import { defineMachineControl, type Observation } from '../control.ts';

export const auditLogRecomputed = defineMachineControl({
  name: 'audit-log-recomputed',
  title: 'The root recomputed from every audit event equals the signed root',
  clause: '164.312(c)(2)',
  profile: 'current',
  requirement: 'addressable',
  population: 'sealed events',
  probe:
    'Recomputes the Merkle tree of every log from its rows and compares it with tiles, checkpoints and the mark outside',
  probeVersion: 1,
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
});
