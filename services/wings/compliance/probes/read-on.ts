import type { Ports } from '#services/core/ports.ts';
import type { CheckPorts, MachineControl, Observation } from '../control.ts';
import { type Finding, readFindings } from '../findings.store.ts';
import { type LogPage, type LogPlace, readNewestSeq } from './trail.store.ts';

/** Events of one statement, and statements of one check: at 20 s a check, a thousand events a second are kept up with. */
const PAGE_EVENTS = 5_000;
const PAGES_MAX = 4;

/**
 * Reads the sealed log on from where the control stopped. Its observation names every event that was found and not
 * acknowledged, whether in this run or years ago; the caller stores `readOn` with the result.
 * @param readPage reads the events from a place on, and returns those that break the control
 * @param why what is wrong with such an event, without its content
 */
async function readLogOn(
  { sql }: Pick<Ports, 'sql'>,
  control: { readonly name: string; readonly probeVersion: number },
  readPage: (place: LogPlace) => Promise<LogPage>,
  why: string,
  signal: AbortSignal,
): Promise<Observation> {
  const newest = await readNewestSeq(sql);
  const found: Finding[] = [];
  let { read_to: readTo } = await readFindings(sql, control.name, control.probeVersion);
  for (let page = 0; page < PAGES_MAX && readTo < newest && !signal.aborted; page += 1) {
    const { lastSeq, broken } = await readPage({ control: control.name, after: readTo, limit: PAGE_EVENTS });
    if (lastSeq === null) break;
    found.push(...broken);
    readTo = lastSeq;
  }
  // After the pages, which leave out what another worker has stored meanwhile: it is in one of the two.
  const stored = await readFindings(sql, control.name, control.probeVersion);
  const named = [...stored.first, ...found].sort((one, other) => one.seq - other.seq);
  return {
    population: newest + 1,
    sampled: readTo + 1,
    exceptions: named.map(({ seq, type }) => ({ resource: `event ${seq} ${type}`, why })),
    exceptionCount: stored.open + found.length,
    observed: { read_to: readTo, newest, found: found.length, unacknowledged: stored.open + found.length },
    readOn: { readTo, found },
  };
}

/** The check of a control of the sealed log, which reads on from where it stopped. */
export const readingOn =
  (readPage: (ports: CheckPorts, place: LogPlace) => Promise<LogPage>, why: string): MachineControl['check'] =>
  (ports, signal, control) =>
    readLogOn(ports, control, (place) => readPage(ports, place), why, signal);
