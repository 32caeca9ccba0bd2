/** A scrape waits no longer for stores: then it shows what was read before. */
const WAIT_MS = 500;

const looks = new Set<() => Promise<void> | undefined>();

/**
 * Reads figures from a store when metrics are about to be shown, and the last reading is older than `everyMs`: an
 * installation whose metrics are never read reads nothing. A reading that fails leaves the figures as they are.
 */
export function lookWhenScraped(look: () => Promise<unknown>, everyMs: number): { close(): void } {
  let running: Promise<void> | undefined;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  const lookIfOld = (): Promise<void> | undefined => {
    if (running === undefined && performance.now() - lookedAtMs >= everyMs) {
      lookedAtMs = performance.now();
      running = look()
        .then(
          () => {},
          () => {},
        )
        .then(() => {
          running = undefined;
        });
    }
    return running;
  };
  looks.add(lookIfOld);
  return { close: () => looks.delete(lookIfOld) };
}

/** Call it before metrics are collected for a reader outside this process. Never rejects. */
export async function lookBeforeScrape(): Promise<void> {
  const running = [...looks].flatMap((lookIfOld) => lookIfOld() ?? []);
  if (running.length === 0) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, WAIT_MS);
  });
  await Promise.race([Promise.all(running), late]);
  clearTimeout(timer);
}
