import type { MetricInfo } from './instruments.ts';

/** Counted by the supervisor about its processes; only it knows their names. */
function processCounter(name: string, help: string): MetricInfo {
  return { name, help, kind: 'counter', unit: '1', labels: { process: null }, buckets: [], otel: undefined };
}

export const scrapeFailures = processCounter(
  'sallyport_scrape_failures',
  'Scrapes by the supervisor that a process did not answer.',
);
export const childRestarts = processCounter('sallyport_child_restarts', 'Restarts of a child process after a crash.');
