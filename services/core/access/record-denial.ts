import type { Endpoint } from '#services/platform/define/endpoint.ts';
import type { AppError } from '#services/platform/define/error.ts';
import {
  agentNotAccepted,
  apiKeyNotAccepted,
  ownCredentialRequired,
  permissionMissing,
  stepUpRequired,
} from '#services/platform/errors.ts';
import { recordEvent } from '../audit/record-event.ts';
import { rightsExceeded, scopeNotGranted } from '../authority/errors.ts';
import { limitNameOf } from '../authority/names.ts';
import type { Caller, Ports } from '../ports.ts';
import { createThrottle } from '../shared/throttle.ts';
import { accessDenied } from './audit-events.ts';

/** Resolves once the denial is in the audit log, if its error code is one that is recorded. Never rejects. */
export type RecordDenial = (
  caller: Caller,
  endpoint: Pick<Endpoint, 'operation' | 'auth'>,
  refusal: AppError,
) => Promise<unknown>;

const DENIALS: ReadonlySet<string> = new Set(
  [
    permissionMissing,
    stepUpRequired,
    ownCredentialRequired,
    apiKeyNotAccepted,
    agentNotAccepted,
    rightsExceeded,
    scopeNotGranted,
  ].map(({ definition }) => definition.code),
);

/**
 * Records denials of authenticated callers (ASVS 16.3.2), at most once per caller, code, permission and minute, so that
 * a retrying caller does not fill the log. The caller is refused even if recording fails.
 */
export function createDenialLog(ports: Pick<Ports, 'sql' | 'clock' | 'log'>): RecordDenial {
  const once = createThrottle(ports.clock);
  return async (caller, { operation, auth }, { code, options }) => {
    if (!DENIALS.has(code) || options.isRecorded) return;
    const permission = auth === 'public' ? undefined : auth.permission;
    await once(`${code} ${permission ?? ''} ${limitNameOf(caller)}`, () =>
      recordEvent(ports.sql, caller, accessDenied, {
        outcome: 'refused',
        detail: { code, permission, operation },
      }).then(
        () => true,
        (err: unknown) => {
          ports.log.warn({ err }, 'denial not recorded in the audit log');
          return false;
        },
      ),
    );
  };
}
