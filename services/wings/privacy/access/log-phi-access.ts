import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { phiAccessed } from '../audit-events.ts';
import type { PhiPurpose } from '../phi-shapes.ts';
import type { PhiAction } from './access-shapes.ts';

type PhiAccess = {
  readonly subject_id: string;
  readonly purpose: PhiPurpose;
  readonly action: PhiAction;
  /** Opaque id of the record in the application; never a part of it. */
  readonly reference: string;
};

/** Records a use of health data that the application made itself. @returns the event, for a receipt */
export async function logPhiAccess(
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  { subject_id: subjectId, ...access }: PhiAccess,
  caller: Caller,
): Promise<{ readonly event_id: string }> {
  const eventId = random.uuid();
  await transact((tx) =>
    recordEvent(tx, caller, phiAccessed, { eventId, target: { kind: 'subject', id: subjectId }, detail: access }),
  );
  return { event_id: eventId };
}
