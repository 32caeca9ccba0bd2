import { siemBatches, siemEvents } from '#observability/metrics/handoff.ts';
import type { AuditEventView } from '#services/core/audit/read/event-view.ts';
import { followSealedEvents, newestEventSeq } from '#services/core/audit/read/list-events.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Fence, Ports } from '#services/core/ports.ts';
import {
  ACCEPTED,
  type Attempt,
  allEnded,
  attemptOf,
  REJECTIONS_MAX,
  retryPauseSeconds,
} from '#services/core/shared/send-batch.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { errorCodeOf } from '#services/platform/define/error-code.ts';
import { siemEventSkipped } from '../audit-events.ts';
import { type SignHandoffPorts, signHandoff } from '../sign-handoff.ts';
import { advanceTarget, failTarget, followTarget, insertTarget, readTarget, type TargetRow } from './siem.store.ts';
import { toSyslog } from './syslog.ts';
import { toEcs } from './to-ecs.ts';
import { type SiemSource, toOcsf } from './to-ocsf.ts';

export { exportIsDue } from './siem.store.ts';

type SiemFormat = 'ocsf' | 'ecs';

export type SiemTarget = {
  readonly name: string;
  readonly format: SiemFormat;
  /** Over `https:` and `http:` events are sent as JSON, one a line; over `syslogs:` and `syslog:` as RFC 5424. */
  readonly url: string;
};

type SiemTransport = {
  /** Sends a body by HTTP and returns the status. Rejects if the target is not reachable or not allowed. */
  post(
    request: { readonly target: SiemTarget; readonly headers: Readonly<Record<string, string>>; readonly body: string },
    signal: AbortSignal,
  ): Promise<number>;
  /** Writes over a connection of its own. Rejects unless the receiver has read all and closed. */
  write(request: { readonly target: SiemTarget; readonly bytes: Buffer }, signal: AbortSignal): Promise<void>;
};

export type HasSiem = {
  readonly siem: {
    readonly targets: readonly SiemTarget[];
    readonly version: string;
    readonly transport: SiemTransport;
  };
};

export type ExportEventsPorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'random' | 'log'> &
  SignHandoffPorts &
  HasSiem & { readonly tokenSettings: Pick<HasTokenSettings['tokenSettings'], 'issuer'> };

type Run = { readonly fence: Fence; readonly signal: AbortSignal };

/** Half the time limit of the job: what is left then is sent by the next run. */
const RUN_MS = 60_000;
const BATCH = 200;
/** Of one body: receivers limit it, usually to one megabyte. */
export const BATCH_BYTES_MAX = 900_000;
const FIRST_PAUSE_SECONDS = 2;
const LONGEST_PAUSE_SECONDS = 60;

const formats = { ocsf: toOcsf, ecs: toEcs } as const satisfies Record<
  SiemFormat,
  (event: AuditEventView, source: SiemSource) => object
>;

/**
 * Sends the sealed log to each target of the SIEM export, all types of events in the order of the log, until none is
 * left, `signal` aborts or the time of a run is over. A target that fails is tried again with growing pauses, for as long
 * as it takes: the log waits. Only an event that the target itself refuses is skipped, after six attempts at it alone.
 * Delivery is at least once, with the same id in each attempt.
 */
export async function exportEvents(
  ports: ExportEventsPorts,
  run: Run,
  caller: Caller,
): Promise<{ readonly sent: number }> {
  const sent = await allEnded(ports.siem.targets.map((target) => exportTo(ports, target, run, caller)));
  return { sent: sent.reduce((sum, each) => sum + each, 0) };
}

async function exportTo(ports: ExportEventsPorts, target: SiemTarget, run: Run, caller: Caller): Promise<number> {
  const startedAt = ports.clock.monotonic();
  let [sent, limit] = [0, BATCH];
  while (!run.signal.aborted && ports.clock.monotonic() - startedAt < RUN_MS) {
    const done = await exportBatch(ports, target, limit, run, caller);
    if (done === 'later') break;
    if (done === 'smaller') limit = Math.max(1, Math.floor(limit / 4));
    else [sent, limit] = [sent + done, Math.min(BATCH, limit * 4)];
  }
  return sent;
}

/** Reads the next events of a target; those that are new to the settings begin after the newest event. */
async function nextEvents(
  ports: ExportEventsPorts,
  { name }: SiemTarget,
  limit: number,
  fence: Fence,
): Promise<{ readonly row: TargetRow; readonly events: readonly AuditEventView[] }> {
  return ports.transact(async (tx) => {
    await fence.hold(tx);
    if ((await readTarget(tx, name)) === undefined) await insertTarget(tx, name, await newestEventSeq({ sql: tx }));
    const row = (await readTarget(tx, name)) as TargetRow;
    if (row.is_paused) return { row, events: [] };
    // An event that was refused is tried alone.
    const events = await followSealedEvents({ sql: tx }, row.reached_seq, row.rejections > 0 ? 1 : limit);
    if (events.length === 0) await followTarget(tx, name);
    return { row, events };
  });
}

const isSyslog = ({ url }: SiemTarget): boolean => url.startsWith('syslog');

/** An event as it is sent, with what ends or frames it. */
function messageOf(target: SiemTarget, event: AuditEventView, source: SiemSource): string {
  const format = formats[target.format];
  return isSyslog(target) ? toSyslog(event, source, format) : `${JSON.stringify(format(event, source))}\n`;
}

/** As many of the messages, from the first, as fit into one body. */
function fitting(messages: readonly string[]): readonly string[] {
  let bytes = 0;
  const over = messages.findIndex((message) => {
    bytes += Buffer.byteLength(message);
    return bytes > BATCH_BYTES_MAX;
  });
  return over === -1 ? messages : messages.slice(0, Math.max(1, over));
}

async function send(
  ports: ExportEventsPorts,
  target: SiemTarget,
  { messages, batchId }: { readonly messages: readonly string[]; readonly batchId: string },
  signal: AbortSignal,
): Promise<Attempt> {
  const { transport } = ports.siem;
  try {
    if (isSyslog(target)) {
      await transport.write({ target, bytes: Buffer.from(messages.join('')) }, signal);
      return ACCEPTED;
    }
    await ports.keyRing.load();
    const [body, contentType] = [messages.join(''), 'application/x-ndjson'];
    const headers = await signHandoff(ports, { url: target.url, eventId: batchId, body, contentType });
    return attemptOf(await transport.post({ target, headers, body }, signal));
  } catch (err) {
    return { outcome: 'unreachable', code: errorCodeOf(err) };
  }
}

/** Sends one batch. Returns how many events it had, or whether to go on with a smaller one or in a later run. */
async function exportBatch(
  ports: ExportEventsPorts,
  target: SiemTarget,
  limit: number,
  { fence, signal }: Run,
  caller: Caller,
): Promise<number | 'smaller' | 'later'> {
  const { row, events } = await nextEvents(ports, target, limit, fence);
  const [first] = events;
  if (first === undefined) return 'later';
  const source = { issuer: ports.tokenSettings.issuer, version: ports.siem.version };
  const messages = fitting(events.map((event) => messageOf(target, event, source)));
  const last = events[messages.length - 1] as AuditEventView;
  const batch = { messages, batchId: `${target.name}-${first.seq}-${last.seq}` };
  const { outcome, code } = await send(ports, target, batch, signal);
  siemBatches.add(1, { outcome });
  if (outcome === 'accepted') {
    const isFirstAgain = row.failures > 0;
    if (await advanceTarget(ports.sql, row, last.seq, true)) siemEvents.add(messages.length, { outcome: 'sent' });
    if (isFirstAgain) ports.log.info({ target: target.name }, 'a target of the SIEM export accepts again');
    return messages.length;
  }
  if (outcome === 'rejected' && messages.length > 1) return 'smaller';
  const isSkipped = outcome === 'rejected' && row.rejections + 1 >= REJECTIONS_MAX;
  if (isSkipped) return skip(ports, target, { row, event: first, code }, caller);
  const pauseSeconds = retryPauseSeconds(ports, row.failures + 1, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS);
  await failTarget(ports.sql, row, { code, isRejection: outcome === 'rejected', pauseSeconds });
  if (row.failures === 0)
    ports.log.error({ target: target.name, failure: code }, 'a target of the SIEM export fails; its events wait');
  return 'later';
}

/** Leaves out an event that the target refuses; an operator may replay it. */
async function skip(
  ports: ExportEventsPorts,
  target: SiemTarget,
  { row, event, code }: { readonly row: TargetRow; readonly event: AuditEventView; readonly code: string },
  caller: Caller,
): Promise<number> {
  await ports.transact(async (tx) => {
    if (!(await advanceTarget(tx, row, event.seq, false))) return;
    // Where a target refuses everything, the report of a refusal must not be what it refuses next, for ever.
    if (event.type === siemEventSkipped.type) return;
    const detail = { siem_target: target.name, seq: event.seq, code };
    await recordEvent(tx, caller, siemEventSkipped, { outcome: 'skipped', detail });
  });
  siemEvents.add(1, { outcome: 'skipped' });
  ports.log.error(
    { target: target.name, seq: event.seq, failure: code },
    'a target of the SIEM export refuses an event',
  );
  return 1;
}
