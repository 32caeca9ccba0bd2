import type { Endpoint } from '#services/platform/define/endpoint.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { apiKeyNotAccepted, permissionMissing, stepUpRequired } from '#services/platform/errors.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports } from '../ports.ts';
import { createThrottle, nameOfCaller } from '../shared/throttle.ts';
import { accessDenied } from './audit-events.ts';
import { rightsExceeded } from './errors.ts';

/** Resolves once the refusal is in the audit log, if it is one that belongs there. Never rejects. */
export type RecordDenial = (
  caller: Caller,
  endpoint: Pick<Endpoint, 'operation' | 'auth'>,
  refusal: AppError,
) => Promise<unknown>;

const DENIALS: ReadonlySet<string> = new Set(
  [permissionMissing, stepUpRequired, apiKeyNotAccepted, rightsExceeded].map(({ definition }) => definition.code),
);

/**
 * Writes what known callers were refused (ASVS 16.3.2): once for each caller, code, permission and minute, so that
 * who asks again and again fills no log. A refusal stands whether or not it could be written.
 */
export function createDenialLog(ports: Pick<Ports, 'sql' | 'clock' | 'log'>): RecordDenial {
  const once = createThrottle(ports.clock);
  return async (caller, { operation, auth }, { code, options }) => {
    if (!DENIALS.has(code) || options.isRecorded) return;
    const permission = auth === 'public' ? undefined : auth.permission;
    await once(`${code} ${permission ?? ''} ${nameOfCaller(caller)}`, () =>
      recordEvent(ports.sql, caller, accessDenied, {
        outcome: 'refused',
        detail: { code, permission, operation },
      }).then(
        () => true,
        (err: unknown) => {
          ports.log.warn({ err }, 'a refusal could not be recorded');
          return false;
        },
      ),
    );
  };
}
