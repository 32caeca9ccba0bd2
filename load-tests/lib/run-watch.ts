import { readFileSync } from 'node:fs';
import { cpuSecondsOf, descendantsOf } from './cpu-time.ts';
import { type Buckets, bucketsOf, highestOf, quantileBound } from './prometheus-text.ts';

export type ProcessSample = { readonly second: number; readonly cores: number; readonly memoryMb: number };
export type AgeSample = { readonly second: number; readonly queueSeconds: number; readonly outboxSeconds: number };

export type Watched = {
  /** CPU and memory by process, a sample a second. */
  readonly processes: Readonly<Record<string, readonly ProcessSample[]>>;
  /** Age of the oldest waiting job and of the oldest unsealed audit event. */
  readonly ages: readonly AgeSample[];
  /** What went wrong with the product while it was watched. */
  readonly incidents: readonly string[];
  /** 99 % of requests took at most this long by the API's own clock; undefined without its metrics. */
  readonly serverP99Ms: number | undefined;
  /** Highest share of time in which an event loop of the product was busy. */
  readonly busiestLoop: number | undefined;
};

type Target = {
  readonly api: string;
  readonly metrics?: string | undefined;
  /** Pids by name, read each time: a process may have been replaced. */
  processes(): Readonly<Record<string, number>>;
};

const AGES_EVERY = 3;
const HEALTH_TIMEOUT_MS = 3_000;
/** One lost probe is no outage. */
const PROBES_LOST = 3;
const LATENCY = 'http_server_request_duration_seconds';

/** Memory that the process and its descendants do not share, MB. */
function memoryMbOf(pid: number): number {
  const kilobytes = descendantsOf(pid).reduce((sum, each) => {
    try {
      return sum + Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${each}/status`, 'utf8'))?.[1] ?? 0);
    } catch {
      return sum;
    }
  }, 0);
  return kilobytes / 1_024;
}

const pageOf = async (metrics: string): Promise<string> =>
  (await fetch(metrics, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) })).text();

/** Watches a product during a run: its processes, its queues, and whether it lives. */
export class RunWatch {
  readonly #target: Target;
  readonly #processes: Record<string, ProcessSample[]> = {};
  readonly #ages: AgeSample[] = [];
  readonly #incidents: string[] = [];
  readonly #last = new Map<string, { readonly pid: number; readonly cpu: number; readonly atMs: number }>();
  readonly #startedMs = performance.now();
  readonly #onLost: () => void;
  #before: Buckets | undefined;
  #busiestLoop: number | undefined;
  #ticks = 0;
  #lost = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param onLost called once the product no longer answers */
  constructor(target: Target, onLost: () => void) {
    this.#target = target;
    this.#onLost = onLost;
  }

  async start(): Promise<void> {
    if (this.#target.metrics !== undefined) this.#before = bucketsOf(await pageOf(this.#target.metrics), LATENCY);
    this.#timer = setInterval(() => void this.#tick(), 1_000);
  }

  /** Says that something went wrong, with the time since the start. */
  note(what: string): void {
    this.#incidents.push(`${what}, ${this.#second().toFixed(0)} s after the start of the run`);
  }

  #second(): number {
    return (performance.now() - this.#startedMs) / 1_000;
  }

  async #tick(): Promise<void> {
    this.#ticks += 1;
    this.#sampleProcesses();
    await Promise.all([this.#probe(), this.#ticks % AGES_EVERY === 0 ? this.#sampleAges() : undefined]);
  }

  #sampleProcesses(): void {
    const second = Math.round(this.#second());
    for (const [name, pid] of Object.entries(this.#target.processes())) {
      const now = { pid, cpu: cpuSecondsOf(pid), atMs: performance.now() };
      const last = this.#last.get(name);
      this.#last.set(name, now);
      if (last === undefined) continue;
      if (last.pid !== pid) {
        this.note(`the process ${name} ended and was replaced`);
        continue;
      }
      const cores = Math.max(0, (now.cpu - last.cpu) / ((now.atMs - last.atMs) / 1_000));
      this.#processes[name] ??= [];
      this.#processes[name].push({ second, cores, memoryMb: memoryMbOf(pid) });
    }
  }

  async #probe(): Promise<void> {
    const isAlive = await fetch(`${this.#target.api}/healthz`, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) }).then(
      ({ ok }) => ok,
      () => false,
    );
    this.#lost = isAlive ? 0 : this.#lost + 1;
    if (this.#lost !== PROBES_LOST || this.#timer === undefined) return;
    this.note('the API stopped answering');
    this.#onLost();
  }

  async #sampleAges(): Promise<void> {
    const { metrics } = this.#target;
    if (metrics === undefined) return;
    const page = await pageOf(metrics).catch(() => '');
    const queueSeconds = highestOf(page, 'sallyport_queue_oldest_job_age_seconds');
    const outboxSeconds = highestOf(page, 'sallyport_audit_outbox_oldest_age_seconds');
    if (queueSeconds !== undefined || outboxSeconds !== undefined)
      this.#ages.push({
        second: Math.round(this.#second()),
        queueSeconds: queueSeconds ?? 0,
        outboxSeconds: outboxSeconds ?? 0,
      });
    const busy = highestOf(page, 'nodejs_eventloop_utilization_ratio');
    if (busy !== undefined) this.#busiestLoop = Math.max(this.#busiestLoop ?? 0, busy);
  }

  async stop(): Promise<Watched> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    return {
      processes: this.#processes,
      ages: this.#ages,
      incidents: this.#incidents,
      serverP99Ms: await this.#serverP99Ms(),
      busiestLoop: this.#busiestLoop,
    };
  }

  async #serverP99Ms(): Promise<number | undefined> {
    const { metrics } = this.#target;
    if (metrics === undefined || this.#before === undefined) return undefined;
    try {
      return quantileBound(this.#before, bucketsOf(await pageOf(metrics), LATENCY), 0.99).bound * 1_000;
    } catch {
      return undefined;
    }
  }
}
