import type { Answer } from '../data/api.ts';
import { partsOf } from '../fold/sections.ts';
import { actionNames, effectTexts, seenTexts, undoTexts } from '../texts/detections.ts';

/** A text by a name that a newer or older release may have given. */
const byName = (texts: Readonly<Record<string, string>>, name: string): string | undefined => texts[name];

/** An incident: what was seen, by the sealed event that it was seen in, and what was done at once. */
export const parts = partsOf<Answer<'GET /v1/admin/incidents/{incident_id}'>>()(
  {
    en: {
      what: 'What was seen',
      event: 'Last event',
      done: 'What was done at once',
      nothing: 'Nothing more was done automatically',
      nothingWhy: 'This detection only reports, or it did not know what to act on.',
      undo: 'Undo:',
    },
    de: {
      what: 'Was gesehen wurde',
      event: 'Letztes Ereignis',
      done: 'Was sofort geschah',
      nothing: 'Nichts weiter geschah automatisch',
      nothingWhy: 'Diese Erkennung meldet nur, oder worauf sie gewirkt hätte, war nicht bekannt.',
      undo: 'Rückgängig:',
    },
  },
  {
    above: ({ detection, detail: { seq }, actions }, { texts, language, word, can }) => {
      const event = `${texts.event} ${seq}`;
      const seen = [byName(seenTexts[language], detection) ?? ''];
      return [
        typeof seq !== 'number'
          ? { title: texts.what, says: seen }
          : can('audit:read')
            ? { title: texts.what, says: seen, link: { text: event, href: `/console/audit/${seq}` } }
            : { title: texts.what, says: [...seen, event] },
        actions.length === 0
          ? { title: texts.done, none: [texts.nothing, texts.nothingWhy] }
          : {
              title: texts.done,
              steps: actions.map((action) => [
                byName(actionNames[language], action) ?? word(action),
                byName(effectTexts[language], action) ?? '',
                `${texts.undo} ${byName(undoTexts[language], action) ?? ''}`,
              ]),
            },
      ];
    },
  },
);
