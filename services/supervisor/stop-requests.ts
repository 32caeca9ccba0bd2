/**
 * npm repeats a Ctrl-C that the terminal has already sent to the whole group: within this time both are one request.
 */
const SAME_REQUEST_MS = 1_000;
const PARENT_POLL_MS = 500;

export type StopRequests = {
  /** Resolves with the reason at the first request to stop. */
  readonly stop: Promise<string>;
  /** Resolves at a second, separate request. */
  readonly hurry: Promise<void>;
  readonly isStopping: () => boolean;
  /** Requests a stop for an internal reason. */
  request(reason: string): void;
  dispose(): void;
};

/**
 * Listens for SIGTERM, SIGINT and SIGHUP, and for the end of the process that runs us: our launcher's channel
 * closing, or npm's disappearance, which sends no signal when it is killed outright.
 */
export function listenForStop(env: NodeJS.ProcessEnv = process.env): StopRequests {
  const stop = Promise.withResolvers<string>();
  const hurry = Promise.withResolvers<void>();
  let firstAt: number | undefined;
  const request = (reason: string): void => {
    const now = performance.now();
    if (firstAt === undefined) {
      firstAt = now;
      stop.resolve(reason);
    } else if (now - firstAt > SAME_REQUEST_MS) {
      hurry.resolve();
    }
  };
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
  const onSignal = (signal: NodeJS.Signals): void => request(signal);
  const onDisconnect = (): void => request('the launcher ended');
  for (const signal of signals) process.on(signal, onSignal);
  process.on('disconnect', onDisconnect);

  const parent = process.ppid;
  const poll = env.npm_lifecycle_event
    ? setInterval(() => {
        if (process.ppid !== parent) request('npm ended');
      }, PARENT_POLL_MS).unref()
    : undefined;
  return {
    stop: stop.promise,
    hurry: hurry.promise,
    isStopping: () => firstAt !== undefined,
    request: (reason) => {
      if (firstAt === undefined) request(reason);
    },
    dispose: () => {
      clearInterval(poll);
      for (const signal of signals) process.off(signal, onSignal);
      process.off('disconnect', onDisconnect);
    },
  };
}
