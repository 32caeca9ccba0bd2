import type { Ports } from '../ports.ts';
import { retryPauseSeconds } from './retry-pause.ts';

/** How deliveries to a receiver of others are retried, and when the receiver counts as down. */
export type DeliveryPace = {
  readonly firstPauseSeconds: number;
  /** Of one message. */
  readonly longestPauseSeconds: number;
  /** Of a receiver that is down: it gets one request in this time. */
  readonly longestOpenSeconds: number;
  readonly leaseSeconds: number;
};

/** The last two are failures: of this message only, and of the receiver. */
export type DeliveryOutcome = 'accepted' | 'rejected' | 'unreachable';

export const DELIVERY_PACE: DeliveryPace = {
  firstPauseSeconds: 2,
  longestPauseSeconds: 300,
  longestOpenSeconds: 60,
  // Longer than any attempt: if the worker dies, the message is sent again after this time.
  leaseSeconds: 30,
};
/** Failed batches in a row after which a receiver counts as down. */
export const OPENS_AFTER = 3;
const GIVEN_UP_SECONDS = 3 * 86_400;
const REJECTED_ATTEMPTS_MAX = 6;
/** Answers that are about this message. All others, such as 401 or 404, are about the receiver and its settings. */
const REJECTIONS: ReadonlySet<number> = new Set([400, 409, 410, 413, 415, 422]);

export const outcomeOfStatus = (status: number): DeliveryOutcome =>
  status >= 200 && status < 300 ? 'accepted' : REJECTIONS.has(status) ? 'rejected' : 'unreachable';

/** Whether a failed attempt was the last one. */
export const isLastAttempt = (
  outcome: DeliveryOutcome,
  { attempts, ageSeconds }: { readonly attempts: number; readonly ageSeconds: number },
): boolean => ageSeconds > GIVEN_UP_SECONDS || (outcome === 'rejected' && attempts >= REJECTED_ATTEMPTS_MAX);

/** Seconds until the next attempt at a message. */
export const messagePauseSeconds = (
  ports: Pick<Ports, 'random'>,
  attempts: number,
  { firstPauseSeconds: firstSeconds, longestPauseSeconds: longestSeconds }: DeliveryPace,
): number => retryPauseSeconds(ports, attempts, { firstSeconds, longestSeconds });

/** Seconds for which a receiver gets nothing after so many failed batches in a row; 0 while it does not count as down. */
export function openPauseSeconds(
  ports: Pick<Ports, 'random'>,
  failures: number,
  { firstPauseSeconds: firstSeconds, longestOpenSeconds: longestSeconds }: DeliveryPace,
): number {
  const opens = failures - OPENS_AFTER + 1;
  return opens > 0 ? retryPauseSeconds(ports, opens, { firstSeconds, longestSeconds }) : 0;
}
