import { siemBehind, siemFailing } from '#observability/metrics/handoff.ts';
import { lookWhenScraped } from '#observability/metrics/scrape-looks.ts';
import { newestEventSeq } from '#services/core/audit/read/list-events.ts';
import type { Ports } from '#services/core/ports.ts';
import type { HasSiem } from './export-events.ts';
import { readTargets } from './siem.store.ts';

/** Shows how far configured targets are behind and how many fail, in the metrics of this process, until it is closed. */
export function showSiem(ports: Pick<Ports, 'sql'> & HasSiem, everyMs = 10_000): { close(): void } | undefined {
  const names = new Set(ports.siem.targets.map(({ name }) => name));
  if (names.size === 0) return undefined;
  const look = async (): Promise<void> => {
    const newest = await newestEventSeq(ports);
    const rows = (await readTargets(ports.sql)).filter(({ name }) => names.has(name));
    siemBehind.set(Math.max(0, ...rows.map((row) => newest - row.reached_seq)));
    siemFailing.set(rows.filter(({ failure }) => failure !== null).length);
  };
  return lookWhenScraped(look, everyMs);
}
