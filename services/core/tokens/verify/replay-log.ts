import { currentTraceId, currentTraceparent } from '#observability/http-span.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, RequestContext } from '#services/core/ports.ts';
import { createThrottle } from '#services/core/shared/throttle.ts';
import type { AccessTokenClaims } from '../access-token.ts';
import { tokenReplayDetected } from '../audit-events.ts';
import type { ReplayContext } from './detect-replay.ts';

/** Resolves once the replay is in the audit log, or writing it has failed. Never rejects. */
type RecordReplay = (claims: AccessTokenClaims, shownBy: ReplayContext) => Promise<unknown>;
export type HasReplayLog = { readonly recordReplay: RecordReplay };

/** The request that presented the token. Address and user agent are values in the validate request, not its sender's. */
const presenting = (
  { ip = '', userAgent = '' }: ReplayContext,
  hashIdentifier: RequestContext['hashIdentifier'],
): Caller => ({
  kind: 'system',
  name: 'replay-protection',
  request: { ip, userAgent, traceId: currentTraceId() ?? '', traceparent: currentTraceparent() ?? '', hashIdentifier },
});

/**
 * Records tokens presented from another address or user agent than at first: at most once a minute for each user and
 * client on this copy, so that a flood does not fill the log. The token is rejected even when writing fails.
 */
export function createReplayLog(
  ports: Pick<Ports, 'sql' | 'clock' | 'log'> & Pick<RequestContext, 'hashIdentifier'>,
): RecordReplay {
  const once = createThrottle(ports.clock);

  const record = (claims: AccessTokenClaims, shownBy: ReplayContext): Promise<boolean> =>
    recordEvent(ports.sql, presenting(shownBy, ports.hashIdentifier), tokenReplayDetected, {
      outcome: 'replay',
      target: { kind: 'token', id: claims.jti },
      clientId: claims.client_id,
      detail: { user_id: claims.fid === undefined ? undefined : claims.sub },
    }).then(
      () => true,
      (err: unknown) => {
        ports.log.warn({ err }, 'recording a replayed token failed; the token was rejected');
        return false;
      },
    );

  return (claims, shownBy) => once(`${claims.client_id}\0${claims.sub}`, () => record(claims, shownBy));
}
