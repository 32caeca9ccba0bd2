import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { BackoffPolicy } from './backoff.ts';
import { SupervisedChild } from './child.ts';
import type { ChildSpec } from './process-specs.ts';
import type { FatalMessage } from './protocol.ts';

export type FleetOptions = {
  spec: ChildSpec;
  /** Environment of every copy, read again at each start. */
  env: () => NodeJS.ProcessEnv;
  /** Folder of the sockets on which processes serve their metrics. */
  socketFolder: string;
  backoff: BackoffPolicy;
  say: (text: string) => void;
  onFatal: (child: SupervisedChild, message: FatalMessage) => void;
  /** A process started, became ready or ended. */
  onChange: () => void;
  onRestarted: (name: string) => void;
};

/** Path of the socket on which the process `name` serves its metrics. */
export const socketOf = (folder: string, name: string): string => join(folder, `${name}.sock`);

/** `api-1`, `api-2`, … */
export const copyNames = (spec: ChildSpec): string[] =>
  Array.from({ length: spec.copies }, (_, index) => `${spec.name}-${index + 1}`);

/** The supervised copies of one kind of child, not started yet. */
export function createReplicas(options: FleetOptions): SupervisedChild[] {
  const { spec } = options;
  return copyNames(spec).map((name) => {
    const child: SupervisedChild = new SupervisedChild({
      name,
      entry: spec.entry,
      env: () => {
        const socketPath = socketOf(options.socketFolder, name);
        // A crashed predecessor leaves its socket behind, and listening on it would fail.
        rmSync(socketPath, { force: true });
        const env = { ...options.env(), SALLYPORT_PROCESS: name, SALLYPORT_METRICS_SOCKET: socketPath };
        return spec.env?.(env) ?? env;
      },
      readyTimeoutSeconds: spec.readyTimeoutSeconds,
      drainSeconds: spec.drainSeconds,
      backoff: options.backoff,
      say: options.say,
      onFatal: (message) => options.onFatal(child, message),
      onReady: options.onChange,
      onChange: options.onChange,
      onRestarted: options.onRestarted,
    });
    return child;
  });
}
