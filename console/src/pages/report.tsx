import { type Answer, readFile, useRead } from '../data/api.ts';
import { BundleCheck } from '../parts/bundle-check.tsx';
import { CopyId } from '../parts/copy.tsx';
import { DownloadButton } from '../parts/download.tsx';
import { Badge, Foreign, Time } from '../parts/format.tsx';
import { Facts, PageHead, type PageProps, Section } from '../parts/page.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';
import { reportWords } from './compliance.tsx';

const texts = inLanguages({
  en: {
    all: 'Compliance',
    about: 'About',
    id: 'Id',
    requested: 'Requested',
    by: 'by',
    began: 'Began',
    ended: 'Ended',
    progress: 'Progress',
    failure: 'Failure',
    results: 'Controls',
    result:
      '{pass} pass, {fail} fail, {error} could not be checked, {not_applicable} not applicable, {unknown} unknown',
    sha256: 'Digest (SHA-256)',
    pdf: 'PDF',
    csv: 'Evidence (CSV)',
    bundle: 'Bundle (JSON)',
    notDone: 'There is no bundle yet',
    notDoneWhy: 'A worker collects the evidence, waits until it is sealed, and signs the report. This page follows it.',
    noBundle: 'This report has no bundle',
    noBundleWhy: 'It was cancelled or failed. Make another one on the page Compliance.',
  },
  de: {
    all: 'Compliance',
    about: 'Angaben',
    id: 'ID',
    requested: 'Angefordert',
    by: 'von',
    began: 'Begonnen',
    ended: 'Beendet',
    progress: 'Fortschritt',
    failure: 'Fehler',
    results: 'Kontrollen',
    result:
      '{pass} bestanden, {fail} nicht bestanden, {error} nicht prüfbar, {not_applicable} nicht anwendbar, {unknown} unbekannt',
    sha256: 'Hash (SHA-256)',
    pdf: 'PDF',
    csv: 'Nachweise (CSV)',
    bundle: 'Paket (JSON)',
    notDone: 'Noch gibt es kein Paket',
    notDoneWhy:
      'Ein Worker sammelt die Nachweise, wartet, bis sie versiegelt sind, und signiert den Bericht. Diese Seite zeigt den Stand.',
    noBundle: 'Dieser Bericht hat kein Paket',
    noBundleWhy: 'Er wurde abgebrochen oder schlug fehl. Fordern Sie auf der Seite Compliance einen neuen an.',
  },
});

type Report = Answer<'GET /v1/compliance/reports/{report_id}'>;
const isEnded = ({ status }: Report): boolean => ['done', 'failed', 'cancelled'].includes(status);

function Acts({ report }: { readonly report: Report }) {
  const own = useTexts(texts);
  const shared = useTexts(reportWords.texts);
  const id = report.report_id;
  const name = reportWords.nameOf(report, shared);
  const file = `compliance-${report.period ?? id}`;
  const path = `/v1/compliance/reports/${id}` as const;
  if (report.status !== 'done') return null;
  return (
    <>
      <DownloadButton path={path} name={`${file}.pdf`} accept="application/pdf" label={`${own.pdf}: ${name}`}>
        {own.pdf}
      </DownloadButton>
      <DownloadButton path={`${path}/evidence`} name={`${file}.csv`} label={`${own.csv}: ${name}`}>
        {own.csv}
      </DownloadButton>
      <DownloadButton path={`${path}/bundle`} name={`${file}.json`} label={`${own.bundle}: ${name}`}>
        {own.bundle}
      </DownloadButton>
    </>
  );
}

export function Page({ params, title }: PageProps) {
  const id = params.id ?? '';
  const own = useTexts(texts);
  const shared = useTexts(reportWords.texts);
  const query = useRead(
    'GET /v1/compliance/reports/{report_id}',
    { path: { report_id: id } },
    { refetchInterval: 5_000 },
  );
  const { data } = query;
  return (
    <div class="page">
      <p class="crumb">
        <a href="/console/compliance">{own.all}</a>
      </p>
      <PageHead
        title={data === undefined ? title : reportWords.nameOf(data, shared)}
        badges={data === undefined ? undefined : <Badge tone={reportWords.toneOf(data)}>{shared[data.status]}</Badge>}
      >
        {data === undefined ? undefined : <Acts report={data} />}
      </PageHead>
      <Shown query={query} lines={5}>
        {(report) => (
          <>
            <Section title={own.about}>
              <Facts
                items={[
                  [own.id, <CopyId>{report.report_id}</CopyId>],
                  [
                    own.requested,
                    <>
                      <Time at={report.requested_at} /> {own.by} <Foreign>{report.requested_by}</Foreign>
                    </>,
                  ],
                  [own.began, <Time at={report.started_at} />],
                  ...(report.ended_at === null
                    ? [[own.progress, `${report.progress} %`] as const]
                    : [[own.ended, <Time at={report.ended_at} />] as const]),
                  ...(report.failure === null ? [] : [[own.failure, <Foreign>{report.failure}</Foreign>] as const]),
                  ...(report.summary === null ? [] : [[own.results, fill(own.result, report.summary)] as const]),
                  ...(report.sha256 === null ? [] : [[own.sha256, <CopyId>{report.sha256}</CopyId>] as const]),
                ]}
              />
            </Section>
            {report.status === 'done' ? (
              <BundleCheck read={() => readFile(`/v1/compliance/reports/${report.report_id}/bundle`)} />
            ) : (
              <Empty title={isEnded(report) ? own.noBundle : own.notDone}>
                <p>{isEnded(report) ? own.noBundleWhy : own.notDoneWhy}</p>
              </Empty>
            )}
          </>
        )}
      </Shown>
    </div>
  );
}
