import { type Answer, readFile } from '../data/api.ts';
import type { PartProps } from '../fold/resource.ts';
import { BundleCheck } from '../parts/bundle-check.tsx';
import { DownloadButton } from '../parts/download.tsx';
import { Empty } from '../parts/states.tsx';
import { inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    pdf: 'PDF',
    notDone: 'There is no bundle yet',
    notDoneWhy: 'A worker collects the evidence, waits until it is sealed, and signs the report. This page follows it.',
    noBundle: 'This report has no bundle',
    noBundleWhy: 'It was cancelled or failed. Make another one.',
  },
  de: {
    pdf: 'PDF',
    notDone: 'Noch gibt es kein Paket',
    notDoneWhy:
      'Ein Worker sammelt die Nachweise, wartet, bis sie versiegelt sind, und signiert den Bericht. Diese Seite zeigt den Stand.',
    noBundle: 'Dieser Bericht hat kein Paket',
    noBundleWhy: 'Er wurde abgebrochen oder schlug fehl. Fordern Sie einen neuen an.',
  },
});

/** The report for people, and its bundle, which this browser verifies. */
function Above({ item, id }: PartProps) {
  const { ended_at: endedAt, period, status } = item as Answer<'GET /v1/compliance/reports/{report_id}'>;
  const own = useTexts(texts);
  const path = `/v1/compliance/reports/${id}` as const;
  if (status !== 'done')
    return (
      <Empty title={endedAt === null ? own.notDone : own.noBundle}>
        <p>{endedAt === null ? own.notDoneWhy : own.noBundleWhy}</p>
      </Empty>
    );
  const name = `compliance-${period ?? id}.pdf`;
  return (
    <>
      <p>
        <DownloadButton path={path} name={name} accept="application/pdf" label={`${own.pdf}: ${name}`}>
          {own.pdf}
        </DownloadButton>
      </p>
      <BundleCheck read={() => readFile(`${path}/bundle`)} />
    </>
  );
}

export const parts = { Above };
