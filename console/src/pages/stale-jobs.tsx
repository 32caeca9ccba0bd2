import type { Answer } from '../data/api.ts';
import type { Item } from '../fold/operation.ts';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: { stale: 'These jobs have not succeeded in time: {jobs}' },
  de: { stale: 'Diese Jobs sind nicht rechtzeitig gelungen: {jobs}' },
});

/** Which jobs have not succeeded in time, beside the queues and beside the timetable. */
export function Above({ answer }: { readonly answer: Item }) {
  const own = useTexts(texts);
  const { schedules } = answer as Answer<'GET /v1/admin/job-queues'>;
  const jobs = schedules.filter(({ stale }) => stale).map(({ job }) => job);
  return jobs.length === 0 ? null : (
    <p class="note bad" role="status">
      {fill(own.stale, { jobs: jobs.join(', ') })}
    </p>
  );
}
