/** What k6 and the API measured during a run. */
export type Evidence = {
  /** Requests that could not start when they were due. */
  readonly dropped: number;
  /** A threshold of latency was crossed. */
  readonly isSlow: boolean;
  /** Of all requests of k6. */
  readonly clientP99Ms: number;
  /** Upper bound by the API's own histogram; undefined without its metrics. */
  readonly serverP99Ms: number | undefined;
  /** Highest share of time in which an event loop of the product was busy. */
  readonly busiestLoop: number | undefined;
  /** CPU that k6 used, in cores, what the machine has, and how many processes wanted it at the end. */
  readonly generatorCores: number;
  readonly cores: number;
  readonly loadAverage: number;
};

export type Diagnosis = { readonly slow: 'nothing' | 'product' | 'generator' | 'unknown'; readonly why: string };

/** Above this an event loop adds a wait to every request that the API's own clock does not see. */
const LOOP_BUSY = 0.9;
/** More than this many times what the API measured is the generator's own wait. */
const GENERATOR_FACTOR = 2;
/** Histogram buckets are too wide to compare below this. */
const LEAST_MS = 5;

/** Tells a slow generator apart from a slow product. */
export function diagnose(evidence: Evidence): Diagnosis {
  const { dropped, isSlow, clientP99Ms, serverP99Ms, busiestLoop, generatorCores, cores, loadAverage } = evidence;
  if (dropped === 0 && !isSlow) return { slow: 'nothing', why: 'every request started when it was due' };
  const cpu = `k6 used ${generatorCores.toFixed(1)} of ${cores} cores at a load average of ${loadAverage.toFixed(1)}`;
  if (serverP99Ms === undefined) return { slow: 'unknown', why: `no metrics of the API to compare with; ${cpu}` };
  const ofServer = Number.isFinite(serverP99Ms)
    ? `at most ${serverP99Ms.toFixed(1)} ms`
    : 'more than its largest bucket';
  const seen = `k6 measured a p99 of ${clientP99Ms.toFixed(1)} ms, the API ${ofServer}`;
  if (busiestLoop !== undefined && busiestLoop >= LOOP_BUSY)
    return {
      slow: 'product',
      why: `an event loop of the API was busy ${(busiestLoop * 100).toFixed(0)} % of the time; ${seen}`,
    };
  if (clientP99Ms > GENERATOR_FACTOR * Math.max(LEAST_MS, serverP99Ms))
    return { slow: 'generator', why: `${seen}; ${cpu}: run k6 on another machine` };
  // Nothing waited at the API, and still requests were late: k6 could not start them.
  if (!isSlow && serverP99Ms <= LEAST_MS)
    return { slow: 'generator', why: `${dropped} requests were dropped although ${seen}; ${cpu}` };
  return { slow: 'product', why: seen };
}
