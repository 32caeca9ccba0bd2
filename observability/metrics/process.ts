import { constants, monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { defineCounter, defineGauge, defineHistogram } from './instruments.ts';

const eventLoopDelay = defineGauge({
  name: 'nodejs_eventloop_delay_seconds',
  help: 'Event loop delay in the last window of 10 s, without the sampling interval.',
  labels: { quantile: ['p50', 'p99', 'max'] },
});

const eventLoopUtilization = defineGauge({
  name: 'nodejs_eventloop_utilization_ratio',
  help: 'Share of the last window of 10 s in which the event loop was busy.',
  otel: { name: 'nodejs.eventloop.utilization' },
});

const cpuTime = defineCounter({
  name: 'process_cpu_time_seconds',
  help: 'Processor time used by the process.',
  labels: { mode: ['user', 'system'] },
  otel: { name: 'process.cpu.time', labels: { mode: 'cpu.mode' } },
});

const residentMemory = defineGauge({
  name: 'process_memory_usage_bytes',
  help: 'Resident memory of the process.',
  otel: { name: 'process.memory.usage' },
});

const uptime = defineGauge({
  name: 'process_uptime_seconds',
  help: 'Time since the process started.',
  otel: { name: 'process.uptime' },
});

/** Alerts about duties of production are not raised for processes of the development profile. */
export const profileInUse = defineGauge({
  name: 'sallyport_profile',
  help: '1 for the safety profile (SALLYPORT_PROFILE) of the process.',
  labels: { profile: ['development', 'staging', 'production'] },
});

const heap = defineGauge({
  name: 'nodejs_heap_bytes',
  help: 'JavaScript heap: used, committed, and the limit at which the process crashes.',
  labels: { state: ['used', 'committed', 'limit'] },
});

const gcTypes = ['minor', 'major', 'incremental', 'weakcb'] as const;

const gcDuration = defineHistogram({
  name: 'v8js_gc_duration_seconds',
  help: 'Garbage collection pauses.',
  labels: { gc_type: gcTypes },
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
  otel: { name: 'v8js.gc.duration', labels: { gc_type: 'v8js.gc.type' } },
});

const gcKinds: Readonly<Record<number, (typeof gcTypes)[number]>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weakcb',
};

const WINDOW_MS = 10_000;
const RESOLUTION_MS = 50;

/** Starts to watch this process and returns the function that stops it. Does not keep the process alive. */
export function watchProcess(): () => void {
  cpuTime.at({ mode: 'user' }).observe(() => process.cpuUsage().user / 1e6);
  cpuTime.at({ mode: 'system' }).observe(() => process.cpuUsage().system / 1e6);
  residentMemory.at().observe(() => process.memoryUsage.rss());
  uptime.at().observe(() => process.uptime());
  heap.at({ state: 'used' }).observe(() => getHeapStatistics().used_heap_size);
  heap.at({ state: 'committed' }).observe(() => getHeapStatistics().total_heap_size);
  heap.at({ state: 'limit' }).observe(() => getHeapStatistics().heap_size_limit);

  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  let loopStart = performance.eventLoopUtilization();
  // Its own time window instead of a reset at each read, because both the scrape and OTLP read it.
  const closeWindow = (): void => {
    // The histogram holds the time between two loop iterations, including one intended interval.
    const late = (ns: number): number => Math.max(0, ns / 1e9 - RESOLUTION_MS / 1e3);
    if (delays.count > 0) {
      eventLoopDelay.set(late(delays.percentile(50)), { quantile: 'p50' });
      eventLoopDelay.set(late(delays.percentile(99)), { quantile: 'p99' });
      eventLoopDelay.set(late(delays.max), { quantile: 'max' });
      delays.reset();
    }
    eventLoopUtilization.set(performance.eventLoopUtilization(loopStart).utilization);
    loopStart = performance.eventLoopUtilization();
  };
  const timer = setInterval(closeWindow, WINDOW_MS).unref();
  setTimeout(closeWindow, 1_000).unref();

  const collections = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { detail } = entry as { detail?: { kind?: number } };
      gcDuration.record(entry.duration / 1e3, { gc_type: gcKinds[detail?.kind ?? 0] ?? 'incremental' });
    }
  });
  collections.observe({ entryTypes: ['gc'] });

  return () => {
    clearInterval(timer);
    delays.disable();
    collections.disconnect();
  };
}
