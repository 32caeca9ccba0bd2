import { cpuSecondsOf } from './cpu-time.ts';
import { type Answer, HttpConnection } from './http-connection.ts';
import { LatencyHistogram, type LatencySummary } from './latency-histogram.ts';
import { createWorkload, type Stocks, type Workload, type WorkloadSpec } from './workloads.ts';

/** How requests arrive. `connections` bounds those in flight. */
export type Arrival =
  /** Each connection sends its next request when it has its answer; at most `requests` of them. */
  | { readonly kind: 'closed'; readonly connections: number; readonly requests?: number }
  /**
   * A constant rate whatever the answers do. A request's latency counts from when it should have started; one that
   * has waited a second for a free connection is dropped and counted.
   */
  | { readonly kind: 'open'; readonly connections: number; readonly perSecond: number };

export type StreamSpec = {
  readonly name: string;
  readonly api: string;
  readonly workload: WorkloadSpec;
  readonly arrival: Arrival;
};

export type LoadSpec = {
  readonly streams: readonly StreamSpec[];
  readonly warmUpSeconds: number;
  /** Longest measured time; a stream without further requests ends it early. */
  readonly seconds: number;
  /** The CPU time of this process and its descendants is measured over the same time. */
  readonly pid?: number;
  /** Every process of the product, stores and workers too; their CPU time is measured together. */
  readonly productPids?: readonly number[];
};

export type StreamResult = {
  readonly name: string;
  readonly ok: number;
  readonly okPerSecond: number;
  /** Answers by status and code, other than the expected ones. */
  readonly failures: Readonly<Record<string, number>>;
  readonly dropped: number;
  /** Of expected answers. */
  readonly latency: LatencySummary;
};

export type LoadResult = {
  readonly streams: readonly StreamResult[];
  readonly seconds: number;
  /** Of `pid` and its descendants; 0 without a pid. */
  readonly cpuSeconds: number;
  /** Of `productPids` and their descendants; 0 without them. */
  readonly productCpuSeconds: number;
  readonly generatorCpuSeconds: number;
};

const longestWaitMs = 1_000;
const stragglerMs = 30_000;

abstract class Stream {
  readonly spec: StreamSpec;
  readonly latencies = new LatencyHistogram();
  readonly failures: Record<string, number> = {};
  ok = 0;
  dropped = 0;
  inFlight = 0;
  isRecording = false;
  isEnding = false;
  protected readonly workload: Workload;
  protected readonly connections: HttpConnection[];

  constructor(spec: StreamSpec, stocks: Stocks) {
    const url = new URL(spec.api);
    this.spec = spec;
    this.workload = createWorkload(spec.workload, url, stocks);
    this.connections = Array.from({ length: spec.arrival.connections }, () => new HttpConnection(url));
  }

  /** From rest. */
  abstract start(): void;
  /** Nothing is due and nothing under way. */
  get isIdle(): boolean {
    return this.inFlight === 0;
  }
  /** A slot has its answer. */
  protected abstract onFree(slot: number): void;
  abstract get isExhausted(): boolean;

  /** False when the workload has nothing for this slot. */
  protected send(slot: number, startedAtMs: number): boolean {
    const request = this.workload.next(slot);
    if (!request) return false;
    this.inFlight += 1;
    const isCounted = this.isRecording;
    this.connections[slot]!.send(request, (answer) => {
      this.inFlight -= 1;
      if (isCounted) this.#count(slot, answer, performance.now() - startedAtMs);
      else if (!(answer instanceof Error)) this.workload.judge(slot, answer);
      this.onFree(slot);
    });
    return true;
  }

  #count(slot: number, answer: Answer | Error, latencyMs: number): void {
    const outcome = answer instanceof Error ? answer.message : this.workload.judge(slot, answer);
    if (outcome === 'ok') {
      this.ok += 1;
      this.latencies.record(latencyMs);
    } else this.failures[outcome] = (this.failures[outcome] ?? 0) + 1;
  }

  close(): void {
    for (const connection of this.connections) connection.close();
  }
}

class ClosedStream extends Stream {
  #left: number;
  #active = 0;

  constructor(spec: StreamSpec, stocks: Stocks, requests = Number.POSITIVE_INFINITY) {
    super(spec, stocks);
    this.#left = requests;
  }

  start(): void {
    this.isEnding = false;
    this.#active = this.connections.length;
    for (const slot of this.connections.keys()) this.onFree(slot);
  }

  protected onFree(slot: number): void {
    if (!this.isEnding && this.#left > 0) {
      this.#left -= 1;
      if (this.send(slot, performance.now())) return;
    }
    this.#active -= 1;
  }

  get isExhausted(): boolean {
    return this.#active === 0;
  }
}

class OpenStream extends Stream {
  readonly #intervalMs: number;
  readonly #free: number[];
  readonly #waiting: number[] = [];
  #nextAtMs = 0;

  constructor(spec: StreamSpec, stocks: Stocks, perSecond: number) {
    super(spec, stocks);
    this.#intervalMs = 1_000 / perSecond;
    this.#free = [...this.connections.keys()];
  }

  start(): void {
    this.isEnding = false;
    this.#nextAtMs = performance.now();
    this.#tick();
  }

  #tick(): void {
    if (this.isEnding) return;
    const nowMs = performance.now();
    for (; this.#nextAtMs <= nowMs; this.#nextAtMs += this.#intervalMs) this.#waiting.push(this.#nextAtMs);
    this.#dispatch(nowMs);
    setTimeout(() => this.#tick(), Math.max(0, this.#nextAtMs - performance.now()));
  }

  #dispatch(nowMs: number): void {
    while (this.#waiting.length > 0) {
      const late = nowMs - this.#waiting[0]! > longestWaitMs;
      const slot = late ? undefined : this.#free.shift();
      if (!late && slot === undefined) return;
      const startAtMs = this.#waiting.shift()!;
      if (slot === undefined || !this.send(slot, startAtMs)) this.dropped += this.isRecording ? 1 : 0;
    }
  }

  protected onFree(slot: number): void {
    this.#free.push(slot);
    this.#dispatch(performance.now());
  }

  override get isIdle(): boolean {
    return this.inFlight === 0 && this.#waiting.length === 0;
  }

  get isExhausted(): boolean {
    return false;
  }
}

const createStream = (spec: StreamSpec, stocks: Stocks): Stream =>
  spec.arrival.kind === 'closed'
    ? new ClosedStream(spec, stocks, spec.arrival.requests)
    : new OpenStream(spec, stocks, spec.arrival.perSecond);

async function until(isDone: () => boolean, longestMs: number): Promise<void> {
  const deadlineMs = performance.now() + longestMs;
  while (!isDone() && performance.now() < deadlineMs) {
    // Short enough to end a run of a few hundred milliseconds on time.
    await new Promise((done) => setTimeout(done, Math.min(5, Math.max(1, deadlineMs - performance.now()))));
  }
}

/** Lets no more requests fall due and waits for the answers of those that have. */
async function settle(streams: readonly Stream[]): Promise<void> {
  for (const stream of streams) stream.isEnding = true;
  await until(() => streams.every((stream) => stream.isIdle), stragglerMs);
}

const ownCpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** Runs the streams side by side and measures them over the same time; requests of the warm-up are not counted. */
export async function runLoad(load: LoadSpec, stocks: Stocks): Promise<LoadResult> {
  const streams = load.streams.map((spec) => createStream(spec, stocks));
  const cpuSeconds = (): number => (load.pid === undefined ? 0 : cpuSecondsOf(load.pid));
  const productCpuSeconds = (): number => (load.productPids ?? []).reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
  const setRecording = (isRecording: boolean): void => {
    for (const stream of streams) stream.isRecording = isRecording;
  };
  try {
    const isClosed = load.streams.every(({ arrival }) => arrival.kind === 'closed');
    if (load.warmUpSeconds > 0) {
      for (const stream of streams) stream.start();
      await until(() => false, load.warmUpSeconds * 1_000);
      // A closed loop starts from rest: what is in flight would cost CPU time in the measured time and not be counted.
      if (isClosed) await settle(streams);
    }
    const cpuBefore = cpuSeconds();
    const productCpuBefore = productCpuSeconds();
    const ownCpuBefore = ownCpuSeconds();
    const startedAtMs = performance.now();
    setRecording(true);
    if (load.warmUpSeconds === 0 || isClosed) for (const stream of streams) stream.start();
    await until(() => streams.every((stream) => stream.isExhausted), load.seconds * 1_000);
    // Those still in flight were begun in the measured time: their answers and their CPU time count too.
    await settle(streams);
    const seconds = (performance.now() - startedAtMs) / 1_000;
    return {
      seconds,
      cpuSeconds: cpuSeconds() - cpuBefore,
      productCpuSeconds: productCpuSeconds() - productCpuBefore,
      generatorCpuSeconds: ownCpuSeconds() - ownCpuBefore,
      streams: streams.map(({ spec, ok, failures, dropped, inFlight, latencies }) => ({
        name: spec.name,
        ok,
        okPerSecond: ok / seconds,
        failures: inFlight === 0 ? failures : { ...failures, 'no answer': inFlight },
        dropped,
        latency: latencies.summary(),
      })),
    };
  } finally {
    for (const stream of streams) stream.close();
  }
}
