import type { z } from 'zod';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, Sql, Tx } from '#services/core/ports.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import { consentRecorded } from '../audit-events.ts';
import type { PhiPurpose } from '../phi-shapes.ts';
import type { consentView } from './consent-contract.ts';
import { type ConsentRow, insertConsent, listConsentRows, readConsent, readNewestConsents } from './consents.store.ts';

export type ConsentView = z.output<typeof consentView>;

/** Purposes for which a person's authorization is required (45 CFR 164.508). */
const CONSENT_PURPOSES: readonly PhiPurpose[] = ['research'];
const TRIES = 5;

const viewOf = ({ id, recorded_at: recordedAt, ...row }: ConsentRow): ConsentView => ({
  consent_id: id,
  ...row,
  recorded_at: recordedAt,
});

export const needsConsent = (purpose: PhiPurpose): boolean => CONSENT_PURPOSES.includes(purpose);

type ConsentInput = {
  readonly subject_id: string;
  readonly purpose: PhiPurpose;
  readonly granted: boolean;
  /** Version of the text that the person agreed to. */
  readonly terms: string;
};

/** Appends a version: earlier decisions stay as they were. */
export async function recordUserConsent(
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  input: ConsentInput,
  caller: Caller,
): Promise<ConsentView> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const row = await transact((tx) => append(tx, { ...input, id: random.uuid() }, caller));
    if (row) return viewOf(row);
  }
  throw storeUnavailable({ retryAfterSeconds: 1 });
}

/** The row and its event, or neither. */
async function append(
  tx: Tx,
  input: ConsentInput & { readonly id: string },
  caller: Caller,
  reason?: string,
): Promise<ConsentRow | undefined> {
  const { subject_id: subjectId, ...decision } = input;
  const row = await insertConsent(tx, { ...decision, subjectId });
  if (row)
    await recordEvent(tx, caller, consentRecorded, {
      outcome: input.granted ? 'granted' : 'withdrawn',
      target: { kind: 'subject', id: subjectId },
      detail: { purpose: row.purpose, version: row.version, terms: row.terms, reason },
    });
  return row;
}

/** Whether the newest decision of a person for a purpose is a consent; false without one. */
export const isConsented = async (sql: Sql, subjectId: string, purpose: PhiPurpose): Promise<boolean> =>
  (await readConsent(sql, subjectId, purpose))?.granted === true;

/** Answers whether a person consents to a purpose now. */
export const validateUserConsent = async (
  { sql }: Pick<Ports, 'sql'>,
  input: { readonly subject_id: string; readonly purpose: PhiPurpose },
): Promise<{ readonly granted: boolean }> => ({ granted: await isConsented(sql, input.subject_id, input.purpose) });

/**
 * Withdraws every consent of a person, or those for the given purposes. Uses that need one are refused from the commit
 * on. Returns the new versions; a purpose without a consent has none.
 */
export async function manageConsentWithdrawal(
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  input: {
    readonly subject_id: string;
    readonly purposes?: readonly PhiPurpose[] | undefined;
    readonly reason: string;
  },
  caller: Caller,
): Promise<{ readonly withdrawn: ConsentView[] }> {
  const { subject_id: subjectId, purposes, reason } = input;
  return transact(async (tx) => {
    const granted = (await readNewestConsents(tx, subjectId)).filter(
      (row) => row.granted && (purposes === undefined || purposes.includes(row.purpose)),
    );
    const withdrawn: ConsentView[] = [];
    for (const { purpose, terms } of granted) {
      const asked = { subject_id: subjectId, purpose, granted: false, terms, id: random.uuid() };
      const row = await append(tx, asked, caller, reason);
      // A concurrent decision of the person came first; the caller repeats the withdrawal.
      if (row === undefined) throw storeUnavailable({ retryAfterSeconds: 1 });
      withdrawn.push(viewOf(row));
    }
    return { withdrawn };
  });
}

/** Every version, newest first, at most five hundred. */
export const listConsents = async (
  { sql }: Pick<Ports, 'sql'>,
  input: { readonly subject_id: string },
): Promise<{ readonly consents: ConsentView[] }> => ({
  consents: (await listConsentRows(sql, input.subject_id)).map(viewOf),
});
