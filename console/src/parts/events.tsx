import { usePages } from '../data/api.ts';
import { type AuditEvent, EventRow } from '../pages/audit.tsx';
import { inLanguages, useTexts } from '../texts/languages.ts';
import { PagedList, Section } from './page.tsx';
import { Empty } from './states.tsx';

const texts = inLanguages({
  en: {
    none: 'No event yet',
    noneWhy: 'An event is here about a second after it happened.',
    all: 'All in the audit log',
  },
  de: {
    none: 'Noch kein Ereignis',
    noneWhy: 'Ein Ereignis ist etwa eine Sekunde, nachdem es geschah, hier.',
    all: 'Alle im Audit-Protokoll',
  },
});

/** Sealed events that a filter finds, newest first. For users with `audit:read`. */
export function Events({
  title,
  of,
  none,
}: {
  readonly title: string;
  readonly of: Readonly<Record<string, string>>;
  readonly none?: readonly [title: string, why: string];
}) {
  const own = useTexts(texts);
  const [empty, why] = none ?? [own.none, own.noneWhy];
  const pages = usePages('GET /v1/audit/events', { limit: 20, ...of });
  return (
    <Section title={title} acts={<a href={`/console/audit?${new URLSearchParams(of)}`}>{own.all}</a>}>
      <PagedList
        label={title}
        pages={pages}
        itemsOf={(page) => page.events}
        empty={
          <Empty title={empty}>
            <p>{why}</p>
          </Empty>
        }
      >
        {(event: AuditEvent) => <EventRow key={event.seq} event={event} />}
      </PagedList>
    </Section>
  );
}
