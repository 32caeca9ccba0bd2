import { useLocation } from 'preact-iso';
import { type Answer, usePages } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { addressWith } from '../parts/filter.tsx';
import { Badge, Foreign, Id, Time } from '../parts/format.tsx';
import { PagedList, PageHead, type PageProps, Row } from '../parts/page.tsx';
import { SessionList } from '../parts/session-list.tsx';
import { Empty } from '../parts/states.tsx';
import { Tabs } from '../parts/tabs.tsx';
import { inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Browser sessions, with the applications that hold tokens through them',
    live: 'Live',
    ended: 'Ended sessions',
    logins: 'Ended sign-ins',
    which: 'Which sessions',
    client: 'Only sessions at this client id',
    user: 'User',
    none: 'No live session',
    noneWhy: 'Nobody is signed in, or no session matches the client id.',
    noEnded: 'Nothing has ended yet',
    noEndedWhy: 'The audit log has no event that ended a session, or a sign-in at an application by itself.',
    by: 'by',
    noAudit: 'You may not see what ended a session',
    noAuditWhy: 'It is in the audit log, which needs the permission audit:read.',
  },
  de: {
    lead: 'Browser-Sitzungen mit den Anwendungen, die durch sie Tokens haben',
    live: 'Laufend',
    ended: 'Beendete Sitzungen',
    logins: 'Beendete Anmeldungen',
    which: 'Welche Sitzungen',
    client: 'Nur Sitzungen bei dieser Client-ID',
    user: 'Benutzer',
    none: 'Keine laufende Sitzung',
    noneWhy: 'Niemand ist angemeldet, oder keine Sitzung passt zur Client-ID.',
    noEnded: 'Noch ist nichts beendet',
    noEndedWhy:
      'Das Audit-Protokoll kennt kein Ereignis, das eine Sitzung oder eine einzelne Anmeldung bei einer Anwendung beendet hat.',
    by: 'durch',
    noAudit: 'Sie dürfen nicht sehen, was eine Sitzung beendet hat',
    noAuditWhy: 'Es steht im Audit-Protokoll; das braucht die Berechtigung audit:read.',
  },
});

type Event = Answer<'GET /v1/audit/events'>['events'][number];

/** The text of a value that the log's detail may have. */
const textIn = (detail: Event['detail'], name: string): string | null =>
  typeof detail[name] === 'string' ? detail[name] : null;

/** What ended sessions, or single sign-ins at applications. */
function Ended({ type }: { readonly type: 'session.ended' | 'token.family_ended' }) {
  const own = useTexts(texts);
  const pages = usePages('GET /v1/audit/events', { limit: 50, type });
  return (
    <PagedList
      label={own.ended}
      pages={pages}
      itemsOf={(page) => page.events}
      empty={
        <Empty title={own.noEnded}>
          <p>{own.noEndedWhy}</p>
        </Empty>
      }
    >
      {(event: Event) => {
        const user = textIn(event.detail, 'user_id');
        return (
          <Row
            key={event.event_id}
            href={`/console/audit/${event.seq}`}
            title={<Foreign>{(textIn(event.detail, 'reason') ?? event.type).replaceAll('_', ' ')}</Foreign>}
            meta={
              <>
                <span>
                  {own.by} {event.actor.kind} {event.actor.id === null ? null : <Id>{event.actor.id}</Id>}
                </span>
                <span>
                  {event.target?.kind} <Id>{event.target?.id ?? ''}</Id>
                </span>
                {user === null ? null : (
                  <span>
                    {own.user} <Id>{user}</Id>
                  </span>
                )}
                {event.client_id === null ? null : <Foreign>{event.client_id}</Foreign>}
                <Time at={event.occurred_at} />
              </>
            }
            side={<Badge>{event.outcome}</Badge>}
          />
        );
      }}
    </PagedList>
  );
}

const SHOWN = ['live', 'ended', 'logins'] as const;

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const can = useCan();
  const { query, route } = useLocation();
  const shown = SHOWN.find((name) => name === query.show) ?? 'live';
  const go = (members: Readonly<Record<string, string>>): void => {
    route(addressWith('/console/sessions', members), true);
  };
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      <div class="toolbar">
        <Tabs
          label={own.which}
          tabs={[
            ['live', own.live],
            ['ended', own.ended],
            ['logins', own.logins],
          ]}
          open={shown}
          onOpen={(tab) => go(tab === 'live' ? { client: query.client ?? '' } : { show: tab })}
        />
        {shown !== 'live' ? null : (
          <input
            type="search"
            aria-label={own.client}
            placeholder={own.client}
            value={query.client ?? ''}
            maxLength={255}
            autoComplete="off"
            onChange={(event) => go({ client: event.currentTarget.value.trim() })}
          />
        )}
      </div>
      <div>
        {shown === 'live' ? (
          <SessionList
            of={query.client ? { client_id: query.client } : {}}
            withUser
            empty={{ title: own.none, why: own.noneWhy }}
          />
        ) : can('audit:read') ? (
          <Ended key={shown} type={shown === 'ended' ? 'session.ended' : 'token.family_ended'} />
        ) : (
          <Empty title={own.noAudit}>
            <p>{own.noAuditWhy}</p>
          </Empty>
        )}
      </div>
    </div>
  );
}
