import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Sql } from '#services/core/ports.ts';
import { userLogin } from '../audit-events.ts';
import { emailUnverified } from '../contracts/account-errors.ts';

/** Records a correct password that opened no session, and throws `email_unverified` (403). */
export async function refuseUnverified(
  sql: Sql,
  { userId, identifier, isKnownDevice }: { userId: string; identifier: string; isKnownDevice: boolean },
  caller: Caller,
): Promise<never> {
  await recordEvent(sql, caller, userLogin, {
    outcome: 'refused',
    target: { kind: 'user', id: userId },
    detail: { factor: 'password', identifier, known_device: isKnownDevice, reason: 'email_unverified' },
  });
  throw emailUnverified();
}
