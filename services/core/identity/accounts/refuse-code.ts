import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Sql } from '#services/core/ports.ts';
import { codeRefused } from '../audit-events.ts';
import { codeInvalid } from '../contracts/account-errors.ts';

export const recordRefusal = (sql: Sql, caller: Caller): Promise<unknown> =>
  recordEvent(sql, caller, codeRefused, { outcome: 'refused' });

/** Records the refused code and throws `code_invalid` (400). Called after the transaction that tried the code. */
export async function refuseCode(sql: Sql, caller: Caller): Promise<never> {
  await recordRefusal(sql, caller);
  throw codeInvalid();
}
