import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { WINGS } from '../services/platform/config/wings.ts';
import { isScheduled, type Job } from '../services/platform/define/job.ts';
import { processorsOf } from './processors.ts';
import './metrics.ts';
import { registry } from '../observability/metrics/instruments.ts';
import { jobs, jobsOf, leftOutJobs, queueNames, scheduledJobs } from './schedules.ts';

const processors = await processorsOf({ leftOut: [] });

const names = (list: readonly Job[]): string[] => list.map(({ name }) => name).sort();

async function exportsOf(folder: string): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const file of glob(`${folder}/*.ts`, { cwd: import.meta.dirname }))
    found.push(...Object.values(await import(pathToFileURL(join(import.meta.dirname, file)).href)));
  return found;
}

/** Contracts also export the values that their members may have. */
const isJob = (value: unknown): value is Job => typeof value === 'object' && value !== null && 'queue' in value;

test('every contract is in the list of jobs, and every job has exactly one processor', async () => {
  const declared = (await exportsOf('contracts')).filter(isJob);
  expect([names(jobs), names(processors.map(({ job }) => job))]).toEqual([names(declared), names(jobs)]);
});

test('names are declared once, and the metrics list no job or queue that does not exist', () => {
  expect(new Set(names(jobs)).size).toBe(jobs.length);
  expect([...queueNames].sort()).toEqual([...new Set(jobs.map(({ queue }) => queue))].sort());
  const { labels } = registry.list().find(({ name }) => name === 'sallyport_jobs')!;
  expect([...(labels.job ?? [])].sort()).toEqual(names(jobs));
  expect([...(labels.queue ?? [])].sort()).toEqual([...queueNames].sort());
});

test.each(jobs.map((job) => [job.name, job] as const))('%s: its limits are consistent', (_name, job) => {
  expect(job.attempts).toBeGreaterThan(0);
  expect(job.backoffSeconds).toBeGreaterThan(0);
  expect(job.timeoutSeconds).toBeGreaterThan(0);
  // One missed run must not alert.
  expect(job.staleAfterSeconds).toBeGreaterThan(2 * (job.schedule?.everySeconds ?? 0));
  expect(job.meaning).toMatch(/^[A-Z].*[^.]$/);
});

test('every job that is due each minute or more often has a question, so that an idle installation runs none of them', () => {
  const frequent = scheduledJobs.filter(({ schedule }) => schedule.everySeconds <= 60);
  expect(names(frequent.filter(({ schedule }) => schedule.idleSeconds === undefined))).toEqual([]);
  const bound = processors.filter(({ question }) => question !== undefined).map(({ job }) => job);
  expect(names(bound)).toEqual(names(scheduledJobs.filter(({ schedule }) => schedule.idleSeconds !== undefined)));
});

test('every job of a wing but the reports to it has a schedule, so that nothing is lost when the wing is left out for a time', () => {
  const leftOut = leftOutJobs({ leftOut: WINGS });
  expect(names([...jobsOf({ leftOut: WINGS }), ...leftOut])).toEqual(names(jobs));
  expect(names(leftOut.filter((job) => !isScheduled(job)))).toEqual(['record-progress']);
  expect(leftOutJobs({ leftOut: [] })).toEqual([]);
});

test.each(scheduledJobs.map((job) => [job.name, job] as const))('%s: a scheduled job takes no payload', (_name, job) =>
  expect(job.payload.safeParse({}).success).toBe(true),
);

test.each(jobs.map((job) => [job.name, job] as const))('%s refuses unknown payload fields', (_name, job) => {
  expect(job.payload.safeParse({ tenant: 'other' }).success).toBe(false);
  expect(job.payload.safeParse('text').success).toBe(false);
});
