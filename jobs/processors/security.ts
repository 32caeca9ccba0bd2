import { detectIncidents } from '#services/domain/security/detect-incidents.ts';
import { securityPurges } from '#services/domain/security/security-purges.ts';
import { purgeOnSchedule } from '#services/domain/shared/purge.ts';
import { cleanUpIncidentsJob, detectIncidentsJob } from '../contracts/security.ts';
import { fenced, run } from './run.ts';

export const securityProcessors = [
  run(detectIncidentsJob, (ports, _payload, { fence, signal, caller }) =>
    detectIncidents(fenced(ports, fence), { signal }, caller),
  ),
  run(cleanUpIncidentsJob, (ports, _payload, { fence, signal }) =>
    purgeOnSchedule(fenced(ports, fence), securityPurges, signal),
  ),
];
