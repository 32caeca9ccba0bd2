import { useLocation } from 'preact-iso';
import { type Answer, usePages } from '../../data/api.ts';
import { addressWith, Filter } from '../../parts/filter.tsx';
import { Badge, Foreign, Id, Time, useNumber } from '../../parts/format.tsx';
import { PagedList, Row } from '../../parts/page.tsx';
import { Empty } from '../../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../../texts/languages.ts';

const texts = inLanguages({
  en: {
    dead: 'Dead letters',
    queue: 'Queue',
    every: 'Any queue',
    none: 'Nothing failed for good',
    noneWhy: 'A job that used up its attempts appears here and stays for a month.',
    attempts: 'attempts: {count}',
  },
  de: {
    dead: 'Gescheiterte',
    queue: 'Warteschlange',
    every: 'Jede Warteschlange',
    none: 'Nichts ist endgültig gescheitert',
    noneWhy: 'Ein Job, dessen Versuche aufgebraucht sind, erscheint hier und bleibt einen Monat.',
    attempts: 'Versuche: {count}',
  },
});

type Letter = Answer<'GET /v1/admin/dead-letters'>['dead_letters'][number];
const letterPath = ({ queue, job_id: id }: Pick<Letter, 'queue' | 'job_id'>): string =>
  `/console/queues/dead/${queue}/${encodeURIComponent(id)}`;
const REFRESH_MS = 15_000;

/** Jobs that used up their attempts, newest first. @param queues the names to choose from */
export function DeadLetters({ queues }: { readonly queues: readonly string[] }) {
  const own = useTexts(texts);
  const number = useNumber();
  const { query, route } = useLocation();
  const chosen = query.queue ?? '';
  const pages = usePages(
    'GET /v1/admin/dead-letters',
    { limit: 50, ...(chosen === '' ? {} : { queue: chosen }) },
    { refetchInterval: REFRESH_MS },
  );
  return (
    <>
      <search class="toolbar">
        <Filter
          label={own.queue}
          every={own.every}
          value={chosen}
          options={queues.map((name) => [name, name] as const)}
          onChange={(value) => route(addressWith('/console/queues', { show: 'dead', queue: value }), true)}
        />
      </search>
      <div>
        <PagedList
          label={own.dead}
          pages={pages}
          itemsOf={(page) => page.dead_letters}
          empty={
            <Empty title={own.none}>
              <p>{own.noneWhy}</p>
            </Empty>
          }
        >
          {(letter: Letter) => (
            <Row
              key={`${letter.queue} ${letter.job_id}`}
              href={letterPath(letter)}
              title={<Foreign>{letter.job}</Foreign>}
              meta={
                <>
                  <span>{letter.queue}</span>
                  <Id>{letter.job_id}</Id>
                  <Time at={letter.failed_at} />
                  <span>{fill(own.attempts, { count: number(letter.attempts) })}</span>
                </>
              }
              side={<Badge tone="bad">{letter.code}</Badge>}
            />
          )}
        </PagedList>
      </div>
    </>
  );
}
