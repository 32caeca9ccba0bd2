import type { Output } from '../output.ts';

const EVERY_MS = 1_000;

const duration = (seconds: number): string =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;

/** Says once a second how far an import is, how fast, and how long the rest takes at this rate. */
export function createProgress(
  output: Pick<Output, 'say'>,
  total: { readonly bytes: number; readonly from: number },
  now: () => number = () => performance.now(),
): (at: { readonly records: number; readonly bytes: number }) => void {
  const startedAt = now();
  let saidAt = startedAt;
  return ({ records, bytes }) => {
    const at = now();
    if (at - saidAt < EVERY_MS) return;
    saidAt = at;
    const perSecond = (records - total.from) / ((at - startedAt) / 1_000);
    const share = total.bytes === 0 ? 1 : Math.min(1, bytes / total.bytes);
    const left = share === 0 || perSecond === 0 ? 0 : (records / share - records) / perSecond;
    output.say(
      `${records} records, ${Math.floor(share * 100)} %, ${Math.round(perSecond)} a second, about ${duration(left)} left`,
    );
  };
}
