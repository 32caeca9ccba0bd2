import { setTimeout as sleep } from 'node:timers/promises';
import { StartError } from '../platform/local/errors.ts';
import type { BackoffPolicy } from './backoff.ts';
import type { SupervisedChild } from './child.ts';
import type { ListenPort } from './listen-port.ts';
import type { ChildSpec } from './process-specs.ts';
import type { FatalMessage } from './protocol.ts';
import { type ChildState, createReadiness } from './readiness.ts';
import { createReplicas } from './replicas.ts';
import type { RunRecord } from './run-record.ts';
import type { StopRequests } from './stop-requests.ts';

const PORT_RETRY_MS = 1_000;

export type HouseholdOptions = {
  specs: readonly ChildSpec[];
  /** Environment of every child, read again at each start. */
  env: () => NodeJS.ProcessEnv;
  socketFolder: string;
  backoff: BackoffPolicy;
  /** The claimed port of each kind of process that listens on one. */
  ports: Readonly<Record<string, ListenPort>>;
  /** Our other ports, to which none of these may move. */
  otherPorts: readonly number[];
  requests: StopRequests;
  say: (text: string) => void;
  /** A process started, became ready or ended. */
  onChange: (running: RunRecord['children'], isReady: boolean) => void;
  /** All are ready: for the first time, and again after each restart. Passes the first process of each kind. */
  onReady: (pids: Record<string, number>) => void;
  onRestarted: (name: string) => void;
};

/** All children of a start, kind by kind. */
export type Household = {
  readonly fleets: readonly (readonly SupervisedChild[])[];
  /** All are ready for the first time. */
  readonly ready: Promise<void>;
  /** Rejects when the start cannot succeed. */
  readonly failed: Promise<never>;
  start(): void;
  /** Restarts one kind after the other. */
  restart(): Promise<void>;
};

export function createProcesses(options: HouseholdOptions): Household {
  const { specs, ports, requests, say } = options;
  const readiness = createReadiness();
  const ready = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});

  const onChange = (): void => {
    if (requests.isStopping()) return;
    const children = fleets.flat();
    const { isReady, isNews, hopeless } = readiness.look(children);
    options.onChange(children.flatMap(runningOf), isReady);
    for (const kind of [...waiting]) begin(kind);
    if (hopeless) failed.reject(gaveUp(hopeless));
    if (!isNews) return;
    ready.resolve();
    options.onReady(Object.fromEntries(specs.map(({ name }, kind) => [name, fleets[kind]![0]!.process!.pid])));
  };

  /** Kinds whose predecessor is not ready yet. */
  const waiting = new Set<number>();
  const begin = (kind: number): void => {
    const before = specs.findIndex(({ name }) => name === specs[kind]!.startsAfter);
    waiting.add(kind);
    if (before >= 0 && !fleets[before]!.every(({ isReady }) => isReady)) return;
    waiting.delete(kind);
    for (const child of fleets[kind]!) child.start();
  };

  const restart = async (): Promise<void> => {
    for (const [kind, children] of fleets.entries()) {
      waiting.delete(kind);
      await Promise.all(children.map((child) => child.stop()));
      if (!requests.isStopping()) begin(kind);
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
    // Each copy reports the same taken port.
    const others = Object.values(ports).flatMap((each) => (each === listens ? [] : [each.port]));
    moving ??= listens
      .move([...options.otherPorts, ...others])
      .then(restart)
      .finally(() => {
        moving = undefined;
      });
    await moving;
  };

  const fleets = specs.map((spec) =>
    createReplicas({
      ...options,
      spec,
      env: spec.copies > 1 ? () => ({ ...options.env(), SALLYPORT_REUSE_PORT: '1' }) : options.env,
      onFatal: (child, message) => void onFatal(child, ports[spec.name], message).catch(failed.reject),
      onChange,
    }),
  );
  return {
    fleets,
    ready: ready.promise,
    failed: failed.promise,
    start: () => {
      for (const kind of fleets.keys()) begin(kind);
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
