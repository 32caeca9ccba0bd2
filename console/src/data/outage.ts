import { useEffect, useState } from 'preact/hooks';
import { mayPass, queries, readSession, whenReadFails } from './api.ts';

const LONGEST_PAUSE_MS = 15_000;
const FIRST_PAUSE_MS = 1_000;

type Listener = (isAway: boolean) => void;
const listeners = new Set<Listener>();
let isAway = false;
let isTrying = false;

function say(away: boolean): void {
  isAway = away;
  for (const listener of listeners) listener(away);
}

/** Grows with each try; browsers that lost the service together do not come back together. */
const pause = (tries: number): Promise<void> =>
  new Promise((done) => {
    setTimeout(done, Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS) * (0.75 + Math.random() / 2));
  });

const answers = (): Promise<boolean> =>
  readSession().then(
    () => true,
    () => false,
  );

/** Reads again what failed, with growing pauses, until nothing on the page has failed. */
async function comeBack(): Promise<void> {
  if (isTrying) return;
  isTrying = true;
  const failed = { type: 'active', predicate: mayPass } as const;
  for (let tries = 0; queries.getQueryCache().findAll(failed).length > 0; tries += 1) {
    await pause(tries);
    say(!(await answers()));
    if (!isAway) await queries.refetchQueries(failed);
  }
  isTrying = false;
  say(false);
}
whenReadFails(() => void comeBack());

/** Whether the service does not answer at all. */
export function useOutage(): boolean {
  const [away, setAway] = useState(isAway);
  useEffect(() => {
    listeners.add(setAway);
    return () => void listeners.delete(setAway);
  }, []);
  return away;
}
