import { parseCheckpoint } from '#services/domain/audit/log/checkpoint.ts';
import { openNote } from '#services/domain/audit/log/note.ts';
import { defineMachineControl, type Observation } from '../control.ts';
import { readHeads } from '../probes/trail.store.ts';

const UNCOVERED_MAX_SECONDS = 300;

export const auditHeadSigned = defineMachineControl({
  name: 'audit-head-signed',
  title: 'The head of the audit log has a valid signature of the log’s key',
  clause: '164.312(c)(2)',
  profile: 'current',
  requirement: 'addressable',
  population: 'audit logs in use',
  probe: 'Verifies the signature of the newest checkpoint, and that it states the size and root that the database has',
  probeVersion: 1,
  evidence: 'Origin, size and root that are signed, and the size of the log',
  pace: 'frequent',
  threat: 'An attacker publishes a forged head',
  humanDuty: 'Pin the verifier key of the log outside the installation.',
  check: async ({ sql, auditLogKeys }): Promise<Observation> => {
    const heads = await readHeads(sql);
    const exceptions: { resource: string; why: string }[] = [];
    const genuine: boolean[] = [];
    for (const { origin, logSize, logRoot, size, root, note, ageSeconds } of heads) {
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
        heads: heads.map(({ origin, logSize, size, root }) => ({ origin, log_size: logSize, size, root })),
        genuine,
      },
    };
  },
});

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
