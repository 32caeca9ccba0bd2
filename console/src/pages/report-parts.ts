import type { Answer } from '../data/api.ts';
import { partsOf } from '../fold/sections.ts';

/** A report for people, and its bundle, which this browser verifies. */
export const parts = partsOf<Answer<'GET /v1/compliance/reports/{report_id}'>>()(
  {
    en: {
      pdf: 'PDF',
      notDone: 'There is no bundle yet',
      notDoneWhy:
        'A worker collects the evidence, waits until it is sealed, and signs the report. This page follows it.',
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
  },
  {
    above: ({ report_id: id, ended_at: endedAt, period, status }, { texts }) => {
      if (status !== 'done')
        return [{ none: endedAt === null ? [texts.notDone, texts.notDoneWhy] : [texts.noBundle, texts.noBundleWhy] }];
      const path = `/v1/compliance/reports/${id}` as const;
      const name = `compliance-${period ?? id}.pdf`;
      return [{ file: { path, name, accept: 'application/pdf', label: texts.pdf }, bundle: `${path}/bundle` }];
    },
  },
);
