import { defineMachineControl, type Observation } from '../control.ts';
import { readSinks } from '../probes/trail.store.ts';

const FAILING_MAX_SECONDS = 3_600;

export const auditCheckpointsPublished = defineMachineControl({
  name: 'audit-checkpoints-published',
  title: 'Signed heads of the audit log leave the database',
  clause: '164.312(c)(1)',
  profile: 'current',
  requirement: 'required',
  population: 'places that receive checkpoints',
  probe: 'Reads for each sink how long deliveries have failed and how far it is behind the log',
  probeVersion: 1,
  evidence: 'Name, size and failing time of each sink',
  pace: 'frequent',
  threat: 'A restored or rewritten database signs another history',
  humanDuty: 'Choose a sink that the operators of the database cannot write (AUDIT_CHECKPOINT_SINKS).',
  check: async ({ sql, config }): Promise<Observation> => {
    const sinks = await readSinks(sql);
    const wanted = config.audit.sinks.length;
    const failing = sinks.filter(({ failingSeconds }) => failingSeconds > FAILING_MAX_SECONDS);
    return {
      population: Math.max(wanted, sinks.length, 1),
      sampled: Math.max(sinks.length, wanted === 0 ? 1 : 0),
      exceptions: [
        ...(wanted === 0 ? [{ resource: 'AUDIT_CHECKPOINT_SINKS', why: 'no place receives checkpoints' }] : []),
        ...failing.map(({ sink }) => ({ resource: sink, why: 'deliveries have failed for more than an hour' })),
      ],
      observed: {
        configured: wanted,
        sinks: sinks.map(({ sink, size, failingSeconds, logSize }) => ({
          sink,
          size,
          log_size: logSize,
          failing_seconds: Math.round(failingSeconds),
        })),
      },
    };
  },
});
