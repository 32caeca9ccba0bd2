import { version } from '#observability/version.ts';
import { canonicalJson, type Json } from '#services/core/audit/log/canonical-json.ts';
import { parseCheckpoint, vkeyOf } from '#services/core/audit/log/note.ts';
import { parseProof } from '#services/core/audit/log/proof.ts';
import { proveEvent } from '#services/core/audit/read/prove-event.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { HasLogSigner } from '#services/core/audit/seal/log-signer.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { readNewestAttestations } from '../attestations.store.ts';
import { evidenceCollected, reportBuilt, reportEndedEarly, reportRequested } from '../audit-events.ts';
import type { ReportView } from '../contract.ts';
import type { CheckPorts, Control } from '../control.ts';
import { CONTROL_STATUSES } from '../control-shapes.ts';
import { controls as allControls } from '../controls/all.ts';
import { itemOf } from './report-item.ts';
import { digestOf, signReport } from './report-note.ts';
import { type ReportDocument, type ReportItem, type ReportSummary, reportBundle, reportItem } from './report-shapes.ts';
import {
  type EvidenceRow,
  endReport,
  finishReport,
  insertEvidence,
  insertScheduledReports,
  lockReport,
  readEvidence,
  readEvidenceNames,
  readNow,
  readReportBefore,
  readUnfinishedReports,
  stepReport,
} from './reports.store.ts';

export { reportsAreDue } from './reports.store.ts';

/** Draws a signed report for people. The same report gives the same bytes. */
export type HasReportRenderer = {
  readonly renderReport: (signed: {
    readonly report: ReportDocument;
    readonly note: string;
    readonly sha256: string;
  }) => Promise<Uint8Array>;
};

type ReportPorts = CheckPorts & Pick<Ports, 'log'> & HasLogSigner & HasReportRenderer;
type SystemCaller = Caller & { readonly kind: 'system' };

type AdvanceInput = {
  readonly signal: AbortSignal;
  /** Other controls than the product's. */
  readonly controls?: readonly Control[];
};

const AT_ONCE = 20;
/** A report that is not finished by then failed. */
const GIVEN_UP_HOURS = 24;
/** Of the progress: the evidence collected, and all of it in the sealed log. */
const COLLECTED_PERCENT = 80;
const SEALED_PERCENT = 95;

const DISCLAIMER =
  'This report shows what checks of the running system saw and what people attested. It does not state that an organisation or installation meets the law, which also depends on people, contracts and buildings.';

/**
 * Requests the daily and the monthly report when they are due, and takes each unfinished report as far as it can go. The
 * step of a report is its row, so that another worker continues a report whose worker died. Safe to run twice.
 * @returns how many reports were finished
 */
export async function advanceReports(ports: ReportPorts, input: AdvanceInput, caller: SystemCaller): Promise<number> {
  await scheduleReports(ports, caller);
  let finished = 0;
  for (const report of await readUnfinishedReports(ports.sql, AT_ONCE)) {
    if (input.signal.aborted) break;
    try {
      if (await advanceReport(ports, report, input, caller)) finished += 1;
    } catch (err) {
      // One report does not hold up the others; the next run tries it again.
      ports.log.error({ err, report_id: report.report_id }, 'a compliance report could not be advanced');
      if (Date.parse(report.requested_at) < ports.clock.now() - GIVEN_UP_HOURS * 3_600_000)
        await giveUp(ports, report.report_id, caller);
    }
  }
  return finished;
}

async function scheduleReports(ports: Pick<Ports, 'transact' | 'random'>, caller: SystemCaller): Promise<void> {
  const { transact, random } = ports;
  await transact(async (tx) => {
    for (const { id, kind } of await insertScheduledReports(
      tx,
      [random.uuid(), random.uuid()],
      `system:${caller.name}`,
    ))
      await recordEvent(tx, caller, reportRequested, { target: { kind: 'report', id }, detail: { kind } });
  });
}

async function giveUp({ transact }: Pick<Ports, 'transact'>, id: string, caller: SystemCaller): Promise<void> {
  await transact(async (tx) => {
    const status = await lockReport(tx, id);
    if (status !== 'queued' && status !== 'collecting' && status !== 'sealing') return;
    await endReport(tx, id, 'failed', 'not_finished_in_time');
    await recordEvent(tx, caller, reportEndedEarly, { outcome: 'failed', target: { kind: 'report', id } });
  });
}

async function advanceReport(
  ports: ReportPorts,
  report: ReportView,
  { signal, controls = allControls }: AdvanceInput,
  caller: SystemCaller,
): Promise<boolean> {
  if (report.status !== 'sealing' && !(await collect(ports, report, { signal, controls }, caller))) return false;
  return finish(ports, report, controls, caller);
}

/** Collects the evidence that is missing. False if the report was cancelled or the run ends. */
async function collect(
  ports: ReportPorts,
  { report_id: id }: ReportView,
  { signal, controls }: Required<AdvanceInput>,
  caller: SystemCaller,
): Promise<boolean> {
  const collected = await readEvidenceNames(ports.sql, id);
  const missing = controls.filter(({ name }) => !collected.has(name));
  const attestations = await readNewestAttestations(ports.sql);
  let done = collected.size;
  for (const control of missing) {
    if (signal.aborted) return false;
    const item = await itemOf(ports, control, attestations.get(control.name), { signal, collector: caller.name });
    // A check that was cut by the end of its worker says nothing about the control.
    if (signal.aborted) return false;
    done += 1;
    if (!(await storeEvidence(ports, { id, item, done, total: controls.length }, caller))) return false;
  }
  return ports.transact(async (tx) => {
    const status = await lockReport(tx, id);
    if (status !== 'queued' && status !== 'collecting') return status === 'sealing';
    await stepReport(tx, id, 'sealing', COLLECTED_PERCENT);
    return true;
  });
}

async function storeEvidence(
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  {
    id,
    item,
    done,
    total,
  }: { readonly id: string; readonly item: ReportItem; readonly done: number; readonly total: number },
  caller: SystemCaller,
): Promise<boolean> {
  const itemSha256 = digestOf(item);
  const eventId = random.uuid();
  const text = canonicalJson(item as unknown as Json);
  return transact(async (tx) => {
    const status = await lockReport(tx, id);
    if (status !== 'queued' && status !== 'collecting') return false;
    const isNew = await insertEvidence(tx, { reportId: id, control: item.control_id, item: text, itemSha256, eventId });
    if (isNew)
      await recordEvent(tx, caller, evidenceCollected, {
        outcome: item.status,
        target: { kind: 'control', id: item.control_id },
        detail: { report_id: id, item_sha256: itemSha256, clause: item.clause },
        eventId,
      });
    await stepReport(tx, id, 'collecting', Math.floor((done / total) * COLLECTED_PERCENT));
    return true;
  });
}

/** Builds, signs and stores the report, once the whole evidence is in the sealed log. False: not yet, or cancelled. */
async function finish(
  ports: ReportPorts,
  row: ReportView,
  controls: readonly Control[],
  caller: SystemCaller,
): Promise<boolean> {
  const evidence = await readEvidence(ports.sql, row.report_id);
  const sealed = evidence.flatMap((one) =>
    one.seq === null || one.leaf === null ? [] : [{ ...one, seq: one.seq, leaf: one.leaf }],
  );
  const report = sealed.length < evidence.length ? null : await documentOf(ports, row, sealed, controls);
  if (report === null) {
    await showSealed(ports, row, sealed.length / evidence.length);
    return false;
  }
  const [signers, keys] = await Promise.all([
    ports.logSigner.signers(report.origin),
    ports.auditLogKeys(report.origin),
  ]);
  const signed = signReport({ ...report, vkeys: keys.map(vkeyOf) }, signers);
  const parsed = reportBundle.parse(JSON.parse(signed.bundle));
  const pdf = await ports.renderReport({ ...parsed, sha256: signed.sha256 });
  return ports.transact(async (tx) => {
    if ((await lockReport(tx, row.report_id)) !== 'sealing') return false;
    await finishReport(tx, row.report_id, { ...signed, summary: report.summary, pdf });
    await recordEvent(tx, caller, reportBuilt, {
      target: { kind: 'report', id: row.report_id },
      detail: { kind: row.kind, sha256: signed.sha256, ...report.summary },
    });
    return true;
  });
}

/** @param share of the evidence that is in the sealed log */
async function showSealed(
  { transact }: Pick<Ports, 'transact'>,
  { report_id: id }: ReportView,
  share: number,
): Promise<void> {
  const progress = COLLECTED_PERCENT + Math.floor(share * (SEALED_PERCENT - COLLECTED_PERCENT));
  await transact(async (tx) => {
    if ((await lockReport(tx, id)) === 'sealing') await stepReport(tx, id, 'sealing', progress);
  });
}

/** Null while a checkpoint does not cover the evidence. */
async function documentOf(
  ports: ReportPorts,
  row: ReportView,
  sealed: readonly (EvidenceRow & { readonly seq: number; readonly leaf: Buffer })[],
  controls: readonly Control[],
): Promise<Omit<ReportDocument, 'vkeys'> | null> {
  const order = new Map(controls.map(({ name }, at) => [name as string, at]));
  const placeOf = (control: string): number => order.get(control) ?? Number.MAX_SAFE_INTEGER;
  const inOrder = sealed.toSorted((one, other) => placeOf(one.control) - placeOf(other.control));
  const proofs: ReportDocument['proofs'] = [];
  let origin = '';
  for (const { control, event_id: eventId, seq, item_sha256: itemSha256, leaf } of inOrder) {
    const proof = await proofOf(ports, seq);
    if (proof === null) return null;
    origin = proof.origin;
    proofs.push({
      control_id: control,
      event_id: eventId,
      seq,
      item_sha256: itemSha256,
      leaf: leaf.toString('base64'),
      proof: proof.text,
    });
  }
  const items = inOrder.map(({ item }) => reportItem.parse(JSON.parse(item)));
  return {
    v: 1,
    report_id: row.report_id,
    kind: row.kind,
    period: row.period,
    requested_by: row.requested_by,
    requested_at: row.requested_at,
    built_at: await readNow(ports.sql),
    release: version,
    origin,
    disclaimer: DISCLAIMER,
    summary: summaryOf(items),
    previous: await previousOf(ports, row.report_id, items),
    controls: items,
    proofs,
  };
}

async function proofOf(
  ports: Pick<Ports, 'sql'>,
  seq: number,
): Promise<{ readonly text: string; readonly origin: string } | null> {
  try {
    const text = await proveEvent(ports, seq);
    return { text, origin: parseCheckpoint(`${parseProof(text).checkpoint.split('\n\n')[0]}\n`).origin };
  } catch (err) {
    if (isAppError(err) && err.code === 'audit_proof_pending') return null;
    throw err;
  }
}

const summaryOf = (items: readonly ReportItem[]): ReportSummary =>
  Object.fromEntries(
    CONTROL_STATUSES.map((status) => [status, items.filter((item) => item.status === status).length]),
  ) as ReportSummary;

async function previousOf(
  { sql }: Pick<Ports, 'sql'>,
  id: string,
  items: readonly ReportItem[],
): Promise<ReportDocument['previous']> {
  const before = await readReportBefore(sql, id);
  if (before === undefined) return null;
  const { report } = reportBundle.parse(JSON.parse(before.bundle));
  const earlier = new Map(report.controls.map(({ control_id, status }) => [control_id, status]));
  const now = new Map(items.map(({ control_id, status }) => [control_id, status]));
  const changes = [...new Set([...earlier.keys(), ...now.keys()])]
    .map((control_id) => ({ control_id, before: earlier.get(control_id) ?? null, after: now.get(control_id) ?? null }))
    .filter((change) => change.before !== change.after);
  return { report_id: before.id, sha256: before.sha256, changes };
}
