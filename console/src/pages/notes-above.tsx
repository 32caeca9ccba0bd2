import type { Answer } from '../data/api.ts';
import type { Item } from '../fold/operation.ts';
import type { Above } from '../fold/resource.ts';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    stale: 'These jobs have not succeeded in time: {names}',
    stillSent: 'Clients that still send what will be refused: {count} ({names})',
  },
  de: {
    stale: 'Diese Jobs sind nicht rechtzeitig gelungen: {names}',
    stillSent: 'Clients, die noch senden, was bald abgelehnt wird: {count} ({names})',
  },
});

/** Names what is wrong in a list; nothing where nothing is. */
const noteOf =
  (text: keyof typeof texts.en, namesIn: (answer: Item) => readonly (string | null)[]): Above =>
  ({ answer }) => {
    const own = useTexts(texts);
    const names = namesIn(answer);
    return names.length === 0 ? null : (
      <p class="note bad" role="status">
        {fill(own[text], { count: names.length, names: names.join(', ') })}
      </p>
    );
  };

export const StaleJobs = noteOf('stale', (answer) =>
  (answer as Answer<'GET /v1/admin/job-queues'>).schedules.filter(({ stale }) => stale).map(({ job }) => job),
);
export const StillSent = noteOf('stillSent', (answer) =>
  (answer as Answer<'GET /v1/admin/clients/refusals'>).refusals
    .filter(({ refused_from: from }) => from !== null)
    .map(({ client_name: name }) => name),
);
