import type { Ports } from '#services/core/ports.ts';
import { readSecurityScore } from '#services/wings/compliance/read-security-score.ts';
import { NEWEST_EVENT_AT, readCountedTokens } from '../read-counts.ts';
import { countOpenIncidents } from '#services/core/security/open-incidents.ts';
import { forgetOld, measuringIsDueAfter, setMeasured } from './progress.store.ts';

export const measuringIsDue = measuringIsDueAfter(NEWEST_EVENT_AT);

/** Measures the security metrics. Events and tokens are counted by the job `count-event-hours`. */
export async function measureProgress({ sql }: Pick<Ports, 'sql'>): Promise<void> {
  const [tokens, openIncidents, securityScore] = await Promise.all([
    readCountedTokens({ sql }),
    countOpenIncidents({ sql }),
    readSecurityScore({ sql }),
  ]);
  await setMeasured(sql, { tokens, open_incidents: openIncidents, security_score: securityScore });
  await forgetOld(sql);
}
