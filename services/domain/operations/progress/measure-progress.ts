import type { Ports } from '#services/domain/ports.ts';
import { countEvents, type EventCount } from '../../audit/read/count-events.ts';
import { readSecurityScore } from '../../compliance/read-security-score.ts';
import { countOpenIncidents } from '../../security/open-incidents.ts';
import { readTokenStatistics } from '../../tokens/metadata/read-token-statistics.ts';
import {
  addAuthentication,
  forgetOld,
  type HourCount,
  lockPosition,
  setMeasured,
  setPosition,
} from './progress.store.ts';

const TYPES = ['user.login', 'session.ended', 'token.refreshed', 'token.validations'];
const REFRESHED = ['rotated', 'kept', 'grace', 'lost_answer'];

/** What an event of the audit log is for the progress of authentication. */
function progressOf({ hour, type, outcome, events, active }: EventCount): HourCount[] {
  switch (type) {
    case 'session.ended':
      return [{ hour, event: 'logout', events }];
    case 'token.validations':
      return [{ hour, event: 'verify', events: active }];
    case 'token.refreshed':
      return [{ hour, event: REFRESHED.includes(outcome) ? 'refresh' : 'failure', events }];
    default:
      // A first factor that is followed by a second is counted at its end.
      if (outcome === 'second_factor_asked') return [];
      return [{ hour, event: outcome === 'ok' ? 'login' : 'failure', events }];
  }
}

/**
 * Counts the authentication events that were sealed since the last run, each once: counts and position commit together.
 * Then measures the security metrics. A sign-in does nothing for this: its audit event exists anyway.
 */
export async function measureProgress(
  ports: Pick<Ports, 'sql' | 'transact'>,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  for (let isMore = true; isMore && !signal.aborted; )
    isMore = await ports.transact(async (tx) => {
      const counted = await countEvents({ sql: tx }, TYPES, await lockPosition(tx));
      await addAuthentication(tx, 'measured', counted.counts.flatMap(progressOf));
      await setPosition(tx, counted.reachedSeq);
      return counted.isMore;
    });
  const [tokens, openIncidents, securityScore] = await Promise.all([
    readTokenStatistics(ports),
    countOpenIncidents(ports),
    readSecurityScore(ports),
  ]);
  await setMeasured(ports.sql, { tokens, open_incidents: openIncidents, security_score: securityScore });
  await forgetOld(ports.sql);
}
