import type { Ports } from '#services/core/ports.ts';
import { countOpenIncidents } from '#services/core/security/open-incidents.ts';
import type { HasSecurityScore } from '#services/core/shared/security-score.ts';
import { NEWEST_EVENT_AT, readMonitoringState } from '../event-hours.store.ts';
import { forgetOld, measuringIsDueAfter, setMeasured } from './progress.store.ts';

export const measuringIsDue = measuringIsDueAfter(NEWEST_EVENT_AT);

/** Measures the security metrics. Events and tokens are counted by the job `count-event-hours`. */
export async function measureProgress({
  sql,
  readSecurityScore,
}: Pick<Ports, 'sql'> & HasSecurityScore): Promise<void> {
  const [{ tokens }, openIncidents, securityScore] = await Promise.all([
    readMonitoringState(sql),
    countOpenIncidents({ sql }),
    readSecurityScore(),
  ]);
  await setMeasured(sql, { tokens, open_incidents: openIncidents, security_score: securityScore });
  await forgetOld(sql);
}
