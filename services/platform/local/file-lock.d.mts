/** When a process started, as an opaque text that differs when its pid is used again; undefined when it is gone. */
export function processStart(pid: number): string | undefined;
/** Whether the very process that was recorded (not a later one with its pid) still lives. */
export function isSameProcessAlive(holder: { pid: number; start?: string | undefined }): boolean;
/** Runs `work` while holding the lock file at `path`; waits for a live holder, takes over from a dead one. */
export function withFileLock<T>(
  path: string,
  work: () => Promise<T> | T,
  onWait?: (holderPid: number) => void,
): Promise<T>;
