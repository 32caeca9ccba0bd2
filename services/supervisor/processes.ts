import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StartError } from '../platform/local/errors.ts';
import type { BackoffPolicy } from './backoff.ts';
import { SupervisedChild } from './child.ts';
import type { ListenPort } from './listen-port.ts';
import type { ChildSpec } from './process-specs.ts';
import type { FatalMessage } from './protocol.ts';
import { type ChildState, createReadiness } from './readiness.ts';
import type { RunRecord } from './run-record.ts';
import type { StopRequests } from './stop-requests.ts';

const PORT_RETRY_MS = 1_000;

type ProcessesOptions = {
  specs: readonly ChildSpec[];
  /** Environment of every child, read again at each start. */
  env: () => NodeJS.ProcessEnv;
  /** Folder of the sockets on which processes serve their metrics. */
  socketFolder: string;
  backoff: BackoffPolicy;
  ports: Readonly<Record<string, ListenPort>>;
  /** Our other ports, to which none of these may move. */
  otherPorts: readonly number[];
  requests: StopRequests;
  say: (text: string) => void;
  /** A process started, became ready or ended. */
  onChange: (running: RunRecord['children'], isReady: boolean) => void;
  /** All are ready: for the first time, and again after each restart. */
  onReady: (pids: Record<string, number>) => void;
  onRestarted: (name: string) => void;
};

/** All children of a start. */
export type Processes = {
  readonly children: readonly SupervisedChild[];
  /** All are ready for the first time. */
  readonly ready: Promise<void>;
  /** Rejects when the start cannot succeed. */
  readonly failed: Promise<never>;
  start(): void;
  /** Restarts one after the other. */
  restart(): Promise<void>;
};

/** `api-1`: what its metrics and `sallyport status` call the one process of its kind. */
export const processName = ({ name }: Pick<ChildSpec, 'name'>): string => `${name}-1`;

/** Path of the socket on which the process `name` serves its metrics. */
export const socketOf = (folder: string, name: string): string => join(folder, `${name}.sock`);

export function createProcesses(options: ProcessesOptions): Processes {
  const { specs, ports, requests, say } = options;
  const readiness = createReadiness();
  const ready = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});

  const onChange = (): void => {
    if (requests.isStopping()) return;
    const { isReady, isNews, hopeless } = readiness.look(children);
    options.onChange(children.flatMap(runningOf), isReady);
    for (const nth of [...waiting]) begin(nth);
    if (hopeless) failed.reject(gaveUp(hopeless));
    if (!isNews) return;
    ready.resolve();
    options.onReady(Object.fromEntries(specs.map(({ name }, nth) => [name, children[nth]!.process!.pid])));
  };

  /** Children whose predecessor is not ready yet. */
  const waiting = new Set<number>();
  const begin = (nth: number): void => {
    const before = specs.findIndex(({ name }) => name === specs[nth]!.startsAfter);
    waiting.add(nth);
    if (before >= 0 && !children[before]!.isReady) return;
    waiting.delete(nth);
    children[nth]!.start();
  };

  const restart = async (): Promise<void> => {
    for (const [nth, child] of children.entries()) {
      waiting.delete(nth);
      await child.stop();
      if (!requests.isStopping()) begin(nth);
    }
  };

  /** Its address is the issuer of tokens in use: once all were ready, a child waits for its port instead of moving. */
  const awaitPort = async (child: SupervisedChild, { port }: ListenPort): Promise<void> => {
    say(`port ${port} of ${child.name} is taken: trying again in ${PORT_RETRY_MS / 1_000} s`);
    await Promise.race([sleep(PORT_RETRY_MS), requests.stop]);
    await child.stop();
    if (!requests.isStopping()) child.start();
  };
  let moving: Promise<void> | undefined;
  const onFatal = async (
    child: SupervisedChild,
    listens: ListenPort | undefined,
    { code, message, fix }: FatalMessage,
  ): Promise<void> => {
    const isPortTaken = code === 'port_taken' || code === 'EADDRINUSE';
    if (!isPortTaken || listens === undefined) return failed.reject(new StartError(code, message, fix));
    if (readiness.wasReached()) return awaitPort(child, listens);
    const others = Object.values(ports).flatMap((each) => (each === listens ? [] : [each.port]));
    // Another child may report its port meanwhile: it does so again after the restart.
    moving ??= listens
      .move([...options.otherPorts, ...others])
      .then(restart)
      .finally(() => {
        moving = undefined;
      });
    await moving;
  };

  const children = specs.map((spec) => {
    const name = processName(spec);
    const child: SupervisedChild = new SupervisedChild({
      ...spec,
      name,
      env: () => {
        const socketPath = socketOf(options.socketFolder, name);
        // A crashed predecessor leaves its socket behind, and listening on it would fail.
        rmSync(socketPath, { force: true });
        const env = { ...options.env(), SALLYPORT_PROCESS: name, SALLYPORT_METRICS_SOCKET: socketPath };
        return spec.env?.(env) ?? env;
      },
      backoff: options.backoff,
      say,
      onFatal: (message) => void onFatal(child, ports[spec.name], message).catch(failed.reject),
      onReady: onChange,
      onChange,
      onRestarted: options.onRestarted,
    });
    return child;
  });
  return {
    children,
    ready: ready.promise,
    failed: failed.promise,
    start: () => {
      for (const nth of children.keys()) begin(nth);
    },
    restart,
  };
}

const runningOf = ({ name, process, isReady }: SupervisedChild): RunRecord['children'] =>
  process ? [{ name, process, ready: isReady }] : [];

const gaveUp = (child: ChildState): StartError =>
  new StartError(
    'child_not_started',
    `${child.name} crashed ${child.failures} times before it was ever ready`,
    'its own message is above; fix the cause and start again',
  );
