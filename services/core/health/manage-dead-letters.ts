import type { Caller, Ports } from '../ports.ts';
import { PLACE, pageOf, placeOfCursor } from '../shared/pagination.ts';
import { deadLetterUnknown } from './errors.ts';
import { type QueueAdmin, recordQueueChange } from './manage-queues.ts';
import type { DeadLetter, FoundDeadLetter, LetterPath, QueueView, ScheduleView } from './queues-contract.ts';

type QueuePorts = { readonly queueAdmin: QueueAdmin; readonly readTimetable: () => Promise<ScheduleView[]> };

export async function listJobQueues({
  queueAdmin,
  readTimetable,
}: QueuePorts): Promise<{ readonly queues: QueueView[]; readonly schedules: ScheduleView[] }> {
  const [queues, schedules] = await Promise.all([queueAdmin.queues(), readTimetable()]);
  return { queues, schedules };
}

type Asked = { readonly limit: number; readonly cursor?: string | undefined; readonly queue?: string | undefined };

/**
 * Newest first. A place is a time, and how many letters of that time were shown: Redis and tables have no common order
 * beside it. Throws `cursor_invalid` (400), `queue_unavailable` (503).
 */
export async function listDeadLetters(
  { queueAdmin }: Pick<QueuePorts, 'queueAdmin'>,
  { limit, cursor, queue }: Asked,
): Promise<{ readonly dead_letters: DeadLetter[]; readonly next: string | null }> {
  const [until, shown = '0'] = placeOfCursor(cursor, [PLACE.time, /^\d{1,4}$/]) ?? [];
  const skipped = Number(shown);
  const letters = await queueAdmin.deadLetters(limit + 1 + skipped, queue, until);
  const isSkipped = ({ failed_at: at }: DeadLetter, index: number): boolean => index < skipped && at === until;
  const rows = letters.filter((letter, index) => !isSkipped(letter, index));
  const { items, next } = pageOf(rows, limit, ({ failed_at: at }) => [
    at,
    String(rows.slice(0, limit).filter((letter) => letter.failed_at === at).length + (at === until ? skipped : 0)),
  ]);
  return { dead_letters: items, next };
}

/** Throws `dead_letter_unknown` (404), `queue_unavailable` (503). */
export async function readDeadLetter(
  { queueAdmin }: Pick<QueuePorts, 'queueAdmin'>,
  letter: LetterPath,
): Promise<FoundDeadLetter> {
  const found = await queueAdmin.deadLetter(letter);
  if (found === undefined) throw deadLetterUnknown();
  return found;
}

type ActPorts = Pick<QueuePorts, 'queueAdmin'> & Pick<Ports, 'transact'>;
type Act = LetterPath & { readonly reason: string };

/** Records the act, then does it. Throws `dead_letter_unknown` (404), `queue_unavailable` (503). */
async function act(
  ports: ActPorts,
  action: 'retry' | 'discard',
  { queue, job_id: jobId, reason }: Act,
  caller: Caller,
): Promise<DeadLetter> {
  const {
    payload: _payload,
    enqueued_at: _enqueuedAt,
    ...letter
  } = await readDeadLetter(ports, { queue, job_id: jobId });
  await recordQueueChange(ports, { action, queue, jobId, reason }, caller);
  if (!(await ports.queueAdmin[action](letter))) throw deadLetterUnknown();
  return letter;
}

export const retryDeadLetter = (ports: ActPorts, input: Act, caller: Caller): Promise<DeadLetter> =>
  act(ports, 'retry', input, caller);

export const discardDeadLetter = (ports: ActPorts, input: Act, caller: Caller): Promise<DeadLetter> =>
  act(ports, 'discard', input, caller);
