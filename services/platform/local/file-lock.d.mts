/** Opaque start time of a process, which differs if its pid is reused; undefined if the process has ended. */
export function processStart(pid: number): string | undefined;
/** Whether the recorded process, not a later one with its pid, still runs. */
export function isSameProcessAlive(holder: { pid: number; start?: string | undefined }): boolean;
/** Runs `work` while holding the lock file at `path`. Waits for a live holder, and takes over from a dead one. */
export function withFileLock<T>(
  path: string,
  work: () => Promise<T> | T,
  onWait?: (holderPid: number) => void,
): Promise<T>;
