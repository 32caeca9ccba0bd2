import { useLocation } from 'preact-iso';
import { type Answer, call, usePages, useRead } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { ActButton } from '../parts/act.tsx';
import { commandLine } from '../parts/copy.tsx';
import { addressWith, Filter } from '../parts/filter.tsx';
import { Badge, Foreign, Time, type Tone, useNumber, When } from '../parts/format.tsx';
import { PagedList, PageHead, type PageProps, Row, Section } from '../parts/page.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Each control with its newest evidence, and the reports that are made of it',
    controls: 'Controls',
    status: 'Status',
    every: 'Any status',
    pass: 'Passes',
    fail: 'Fails',
    error: 'Could not be checked',
    not_applicable: 'Not applicable',
    unknown: 'Not checked yet',
    outdated: 'Not checked lately',
    unconfirmed: 'Not confirmed yet',
    none: 'No control has this status',
    noneWhy: 'Choose another status.',
    checked: 'checked',
    exceptions: 'exceptions: {count}',
    sampled: '{sampled} of {population} looked at',
    attests: 'attestation expires',
    attested: 'attestation expired',
    reports: 'Reports',
    noReports: 'No report yet',
    noReportsWhy: 'One is made each day and month. You can ask for one now.',
    run: 'Make a report',
    runTitle: 'Make a compliance report now',
    runLead: 'A worker collects the evidence and seals it. It appears here in a moment.',
    counts: '{pass} pass, {fail} fail',
    verify: 'Verify a bundle',
  },
  de: {
    lead: 'Jede Kontrolle mit ihrem neuesten Nachweis, und die Berichte daraus',
    controls: 'Kontrollen',
    status: 'Status',
    every: 'Jeder Status',
    pass: 'Bestanden',
    fail: 'Nicht bestanden',
    error: 'Nicht prüfbar',
    not_applicable: 'Nicht anwendbar',
    unknown: 'Noch nicht geprüft',
    outdated: 'Prüfung veraltet',
    unconfirmed: 'Noch nicht bestätigt',
    none: 'Keine Kontrolle hat diesen Status',
    noneWhy: 'Wählen Sie einen anderen Status.',
    checked: 'geprüft',
    exceptions: 'Ausnahmen: {count}',
    sampled: '{sampled} von {population} betrachtet',
    attests: 'Bestätigung läuft ab',
    attested: 'Bestätigung abgelaufen',
    reports: 'Berichte',
    noReports: 'Noch kein Bericht',
    noReportsWhy: 'Jeden Tag und jeden Monat entsteht einer. Sie können jetzt einen anfordern.',
    run: 'Bericht erstellen',
    runTitle: 'Jetzt einen Compliance-Bericht erstellen',
    runLead: 'Ein Worker sammelt die Nachweise und versiegelt sie. Er erscheint gleich hier.',
    counts: '{pass} bestanden, {fail} nicht bestanden',
    verify: 'Ein Paket prüfen',
  },
});

/** Names of reports and of their states. */
const reportTexts = inLanguages({
  en: {
    demand: 'Report on demand',
    daily: 'Daily report of {period}',
    monthly: 'Monthly report of {period}',
    queued: 'waits for a worker',
    collecting: 'collects evidence',
    sealing: 'waits for the audit log',
    done: 'done',
    failed: 'failed',
    cancelled: 'cancelled',
  },
  de: {
    demand: 'Bericht auf Anforderung',
    daily: 'Tagesbericht vom {period}',
    monthly: 'Monatsbericht {period}',
    queued: 'wartet auf einen Worker',
    collecting: 'sammelt Nachweise',
    sealing: 'wartet auf das Audit-Protokoll',
    done: 'fertig',
    failed: 'fehlgeschlagen',
    cancelled: 'abgebrochen',
  },
});

type Control = Answer<'GET /v1/compliance/controls'>['controls'][number];
type Report = Answer<'GET /v1/compliance/reports'>['reports'][number];
const statusTone = {
  pass: 'good',
  fail: 'bad',
  error: 'warn',
  not_applicable: 'plain',
  unknown: 'plain',
} as const satisfies Record<Control['status'], Tone>;
const reportName = (
  { kind, period }: Pick<Report, 'kind' | 'period'>,
  shared: Readonly<Record<Report['kind'], string>>,
): string => fill(shared[kind], { period: period ?? '' });
const reportTone = ({ status }: Pick<Report, 'status'>): Tone =>
  status === 'done' ? 'good' : status === 'failed' ? 'bad' : status === 'cancelled' ? 'plain' : 'accent';

const STATUSES = ['fail', 'error', 'pass', 'not_applicable', 'unknown'] as const;

/** Neither checked nor confirmed by a person yet: the status says all that is known. */
const isUntouched = ({ status, check, attestation }: Control): boolean =>
  status === 'unknown' && check === null && attestation === null;

const wordOf = (control: Control) => {
  if (control.status !== 'unknown') return control.status;
  if (control.kind === 'attestation') return 'unconfirmed';
  return control.check === null ? 'unknown' : 'outdated';
};

function ControlRow({ control }: { readonly control: Control }) {
  const own = useTexts(texts);
  const number = useNumber();
  const { check } = control;
  return (
    <Row
      title={control.title}
      meta={
        <>
          <span>{control.clause}</span>
          {check === null ? null : (
            <>
              <span>
                {own.checked} <Time at={check.ended_at} />
              </span>
              <span>{fill(own.sampled, { sampled: number(check.sampled), population: number(check.population) })}</span>
              {check.exception_count === 0 ? null : (
                <span>{fill(own.exceptions, { count: number(check.exception_count) })}</span>
              )}
            </>
          )}
          {control.attestation === null ? null : (
            <When at={control.attestation.expires_at} coming={own.attests} past={own.attested} />
          )}
          {control.reason === null || isUntouched(control) ? null : <Foreign>{control.reason}</Foreign>}
        </>
      }
      side={<Badge tone={statusTone[control.status]}>{own[wordOf(control)]}</Badge>}
    />
  );
}

function Controls() {
  const own = useTexts(texts);
  const { query: asked, route } = useLocation();
  const status = STATUSES.find((name) => name === asked.status);
  const query = useRead('GET /v1/compliance/controls', { query: status === undefined ? {} : { status } });
  return (
    <Section
      title={own.controls}
      acts={
        <Filter
          label={own.status}
          every={own.every}
          value={status ?? ''}
          options={STATUSES.map((name) => [name, own[name]] as const)}
          onChange={(value) => route(addressWith('/console/compliance', { status: value }), true)}
        />
      }
    >
      <Shown query={query} lines={5}>
        {({ controls }) =>
          controls.length === 0 ? (
            <Empty title={own.none}>
              <p>{own.noneWhy}</p>
            </Empty>
          ) : (
            <ul class="rows" aria-label={own.controls}>
              {controls.map((control) => (
                <ControlRow key={control.control_id} control={control} />
              ))}
            </ul>
          )
        }
      </Shown>
    </Section>
  );
}

function Reports() {
  const own = useTexts(texts);
  const shared = useTexts(reportTexts);
  const can = useCan();
  const pages = usePages('GET /v1/compliance/reports', { limit: 5 });
  return (
    <Section
      title={own.reports}
      acts={
        can('compliance:manage') ? (
          <ActButton
            act={{
              title: own.runTitle,
              lead: own.runLead,
              verb: own.run,
              needsReason: false,
              command: () => commandLine('report', 'run'),
              run: () => call('POST /v1/compliance/reports', {}),
            }}
          >
            {own.run}
          </ActButton>
        ) : undefined
      }
    >
      <PagedList
        label={own.reports}
        pages={pages}
        itemsOf={(page) => page.reports}
        empty={
          <Empty title={own.noReports}>
            <p>{own.noReportsWhy}</p>
          </Empty>
        }
      >
        {(report: Report) => (
          <Row
            key={report.report_id}
            href={`/console/compliance/reports/${report.report_id}`}
            title={reportName(report, shared)}
            meta={
              <>
                <Time at={report.requested_at} />
                {report.summary === null ? null : (
                  <span>{fill(own.counts, { pass: report.summary.pass, fail: report.summary.fail })}</span>
                )}
              </>
            }
            side={<Badge tone={reportTone(report)}>{shared[report.status]}</Badge>}
          />
        )}
      </PagedList>
    </Section>
  );
}

/** What the page of one report shares with the list. */
export const reportWords = { texts: reportTexts, nameOf: reportName, toneOf: reportTone };

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead}>
        <a class="button" href="/console/compliance/verify">
          {own.verify}
        </a>
      </PageHead>
      <Reports />
      <Controls />
    </div>
  );
}
