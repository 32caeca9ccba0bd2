import { type Processor, runUnfenced } from '#services/core/processor.ts';
import { type PurgePorts, purgeOnSchedule } from '#services/core/shared/purge.ts';
import { type Listed, loadList, modulesOf, purgesOf } from '#services/modules.ts';
import type { WingSettings } from '#services/platform/config/wings.ts';
import type { Job } from '#services/platform/define/job.ts';

type PortsOf<P> = (P extends Processor<infer Q> ? (ports: Q) => void : never) extends (ports: infer R) => void
  ? R
  : never;

/** The ports of every use-case that a job runs. */
export type WorkerPorts = PortsOf<Listed<'processors'>> & PurgePorts;
export type WorkerProcessor = Processor<WorkerPorts>;

/** A job that removes what modules keep no longer. A row is removed once, also by runs that overlap. */
const purgedBy = (job: Job, wings: WingSettings): WorkerProcessor =>
  runUnfenced(job, (ports: PurgePorts, { signal }) => purgeOnSchedule(ports, purgesOf(modulesOf(wings), job), signal));

/** Every job that the workers of an installation run, with its use-case. */
export async function processorsOf(wings: WingSettings): Promise<readonly WorkerProcessor[]> {
  const purging = new Set(modulesOf(wings).flatMap(({ purged }) => purged.map(({ by }) => by)));
  return [...(await loadList('processors', wings)), ...[...purging].map((job) => purgedBy(job, wings))];
}
