import { defineMachineControl, type Observation } from '../control.ts';
import { readSealing } from '../probes/trail.store.ts';

const LAG_MAX_SECONDS = 60;

export const auditSealingCurrent = defineMachineControl({
  name: 'audit-sealing-current',
  title: 'Every audit event is sealed within a minute',
  clause: '164.312(b)',
  profile: 'current',
  requirement: 'required',
  population: 'audit logs in use',
  probe: 'Reads the age of the oldest unsealed event, whether sealing has stopped, and rows outside a daily partition',
  probeVersion: 1,
  evidence: 'Age in seconds, the reason of a stop, and the number of stray rows',
  pace: 'frequent',
  threat: 'Events are deleted before they are sealed',
  humanDuty: 'Act on the alerts AuditOutboxOld and AuditSealingStopped.',
  check: async ({ sql }): Promise<Observation> => {
    const { logs, oldestUnsealedSeconds, stoppedReason, stray } = await readSealing(sql);
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
});
