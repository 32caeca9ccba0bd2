import { currentTraceId, currentTraceparent } from '#observability/http-span.ts';
import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Ports, RequestContext } from '#services/domain/ports.ts';
import { createThrottle } from '#services/domain/shared/throttle.ts';
import type { AccessTokenClaims } from '../access-token.ts';
import { tokenReplayDetected } from '../audit-events.ts';
import type { ReplayContext } from './detect-replay.ts';

/** Resolves once the replay is in the audit log, or could not be written. Never rejects. */
export type RecordReplay = (claims: AccessTokenClaims, shownBy: ReplayContext) => Promise<unknown>;
export type HasReplayLog = { readonly recordReplay: RecordReplay };

/** The holder of the token is known by address and user agent alone, and those are not who asked. */
const showing = (
  { ip = '', userAgent = '' }: ReplayContext,
  hashIdentifier: RequestContext['hashIdentifier'],
): Caller => ({
  kind: 'system',
  name: 'replay-protection',
  request: { ip, userAgent, traceId: currentTraceId() ?? '', traceparent: currentTraceparent() ?? '', hashIdentifier },
});

/**
 * Writes tokens that were shown from elsewhere than first: once for each user (or client, of its own tokens) and
 * minute of this copy, so that a flood of them fills no log. The refusal stands whether or not it could be written.
 */
export function createReplayLog(
  ports: Pick<Ports, 'sql' | 'clock' | 'log'> & Pick<RequestContext, 'hashIdentifier'>,
): RecordReplay {
  const once = createThrottle(ports.clock);

  const record = (claims: AccessTokenClaims, shownBy: ReplayContext): Promise<boolean> =>
    recordEvent(ports.sql, showing(shownBy, ports.hashIdentifier), tokenReplayDetected, {
      outcome: 'replay',
      target: { kind: 'token', id: claims.jti },
      clientId: claims.client_id,
      detail: claims.fid === undefined ? {} : { user_id: claims.sub },
    }).then(
      () => true,
      (err: unknown) => {
        ports.log.warn({ err }, 'a replayed token was refused and could not be recorded');
        return false;
      },
    );

  return (claims, shownBy) => once(`${claims.client_id}\0${claims.sub}`, () => record(claims, shownBy));
}
