import { useEffect, useState } from 'preact/hooks';
import { mayPass, queries } from './api.ts';

/** `away`: the service does not answer. `held`: it does, without Redis, so that new events, mails and jobs wait. */
type Outage = 'away' | 'held' | null;

/** How often the service is asked while the page is visible. */
const BEAT_MS = 1_000;
/** An outage is said within two seconds of the last answer. */
const SILENCE_MS = 1_900;
const LONGEST_PAUSE_MS = 15_000;

const listeners = new Set<(now: Outage) => void>();
const failed = { type: 'active', predicate: mayPass } as const;
let outage: Outage = null;
let alarm: number | undefined;
let [tries, againAt] = [0, 0];

function say(now: Outage): void {
  outage = now;
  for (const listener of listeners) listener(now);
}

/** Reads again what failed, with growing pauses. */
function readAgain(): void {
  if (queries.getQueryCache().findAll(failed).length === 0) tries = 0;
  else if (Date.now() >= againAt) {
    againAt = Date.now() + Math.min(BEAT_MS * 2 ** tries, LONGEST_PAUSE_MS) * (0.5 + Math.random());
    tries += 1;
    void queries.refetchQueries(failed, { cancelRefetch: false });
  }
}

/** Says so once nothing was heard for too long. */
function listen(): void {
  clearTimeout(alarm);
  alarm = window.setTimeout(() => document.hidden || say('away'), SILENCE_MS);
}

/** Asks for the state that the service has in memory. A proxy that refuses the question shows that the service is there. */
async function beat(): Promise<void> {
  if (document.hidden) return listen();
  try {
    const answer = await fetch('/readyz', { cache: 'no-store', signal: AbortSignal.timeout(SILENCE_MS) });
    const { redis, api } = await answer.json().catch(() => ({}));
    listen();
    // One that drains answers what it has begun; the next question goes to another.
    if ([502, 503, 504].includes(answer.status) && api !== 'draining') return say('away');
    say(redis === 'degraded' ? 'held' : null);
    readAgain();
  } catch (error) {
    if ((error as Error).name !== 'TimeoutError') say('away');
  }
}

listen();
setInterval(() => void beat(), BEAT_MS);

export function useOutage(): Outage {
  const [now, setNow] = useState(outage);
  useEffect(() => {
    listeners.add(setNow);
    return () => void listeners.delete(setNow);
  }, []);
  return now;
}
