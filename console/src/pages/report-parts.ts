import type { Answer } from '../data/api.ts';
import { asked, partsOf, type Section } from '../fold/sections.ts';

/** A control in a bundle, of which the client knows the text alone. */
type Control = Answer<'GET /v1/compliance/controls'>['controls'][number];
const RED = ['fail', 'error'];
/** What nobody knows before what is well. */
const REST = ['unknown', 'not_applicable', 'pass'];
const causeOf = ({ check, reason }: Control): string =>
  check?.exceptions.map(({ resource, why }) => `${resource}: ${why}`).join('; ') || (reason ?? '');
const inEnglish = (english: string, word = '') => ({ word, english });
const controlsOf = (id: string, title: string, are: readonly string[], shows: (found: readonly Control[]) => Section) =>
  asked(title, 'GET /v1/compliance/reports/{report_id}/bundle', { report_id: id }, (bundle: unknown) => {
    const { controls } = (bundle as { readonly report: { readonly controls: readonly Control[] } }).report;
    return shows(are.flatMap((each) => controls.filter(({ status }) => status === each)));
  });

/** A report for people: what failed, why and what to do, then the rest; and its bundle, which this browser verifies. */
export const parts = partsOf<Answer<'GET /v1/compliance/reports/{report_id}'>>()(
  {
    en: {
      pdf: 'PDF',
      failed: 'What failed',
      noneFailed: 'No control failed',
      fix: 'What to do:',
      rest: 'The other controls',
      notDone: 'There is no bundle yet',
      notDoneWhy:
        'A worker collects the evidence, waits until it is sealed, and signs the report. This page follows it.',
      noBundle: 'This report has no bundle',
      noBundleWhy: 'It was cancelled or failed. Make another one.',
    },
    de: {
      pdf: 'PDF',
      failed: 'Was nicht bestanden ist',
      noneFailed: 'Keine Kontrolle ist gescheitert',
      fix: 'Was zu tun ist:',
      rest: 'Die übrigen Kontrollen',
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
      const failed = controlsOf(id, texts.failed, RED, (red) =>
        red.length === 0
          ? { none: [texts.noneFailed, ''] }
          : {
              steps: red.map((item) => [
                inEnglish(item.title),
                inEnglish(causeOf(item)),
                inEnglish(item.human_duty, texts.fix),
              ]),
            },
      );
      return [failed, { file: { path, name, accept: 'application/pdf', label: texts.pdf }, bundle: `${path}/bundle` }];
    },
    below: ({ report_id: id, status }, { texts, word }) => {
      const linesOf = (rest: readonly Control[]) => rest.map((item) => inEnglish(item.title, `${word(item.status)}:`));
      return status === 'done' ? [controlsOf(id, texts.rest, REST, (rest) => ({ says: linesOf(rest) }))] : [];
    },
  },
);
