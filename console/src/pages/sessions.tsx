import { useLocation } from 'preact-iso';
import { type Answer, call, usePages } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { titles } from '../pages.ts';
import { ActButton } from '../parts/act.tsx';
import { commandLine } from '../parts/copy.tsx';
import { Badge, Foreign, Id, Time } from '../parts/format.tsx';
import { PagedList, PageHead, Row } from '../parts/page.tsx';
import { Reach } from '../parts/reach.tsx';
import { Empty } from '../parts/states.tsx';
import { Tabs } from '../parts/tabs.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Browser sessions, with the applications that hold tokens through them',
    live: 'Live',
    ended: 'Ended',
    which: 'Which sessions',
    client: 'Only sessions at this client id',
    user: 'User {id}',
    unknownAgent: 'unknown browser',
    began: 'began',
    refreshed: 'refreshed',
    endsBy: 'ends by',
    none: 'No live session',
    noneWhy: 'Nobody is signed in, or no session matches the client id.',
    noEnded: 'No session has ended yet',
    noEndedWhy: 'The audit log has nothing that ended a session.',
    end: 'End',
    endTitle: 'End this session',
    endLead: 'The session ends everywhere within a second, with the tokens that applications got through it.',
    by: 'by',
    noAudit: 'What ended a session is in the audit log, which needs the permission audit:read.',
  },
  de: {
    lead: 'Browser-Sitzungen mit den Anwendungen, die durch sie Tokens haben',
    live: 'Laufend',
    ended: 'Beendet',
    which: 'Welche Sitzungen',
    client: 'Nur Sitzungen bei dieser Client-ID',
    user: 'Benutzer {id}',
    unknownAgent: 'unbekannter Browser',
    began: 'begann',
    refreshed: 'erneuert',
    endsBy: 'endet spätestens',
    none: 'Keine laufende Sitzung',
    noneWhy: 'Niemand ist angemeldet, oder keine Sitzung passt zur Client-ID.',
    noEnded: 'Noch keine Sitzung ist beendet',
    noEndedWhy: 'Das Audit-Protokoll kennt nichts, was eine Sitzung beendet hat.',
    end: 'Beenden',
    endTitle: 'Diese Sitzung beenden',
    endLead: 'Die Sitzung endet überall binnen einer Sekunde, samt den Tokens, die Anwendungen durch sie bekamen.',
    by: 'durch',
    noAudit: 'Was eine Sitzung beendet hat, steht im Audit-Protokoll; das braucht die Berechtigung audit:read.',
  },
});

type Session = Answer<'GET /v1/admin/sessions'>['sessions'][number];
type Event = Answer<'GET /v1/audit/events'>['events'][number];

function Acts({ session }: { readonly session: Session }) {
  const own = useTexts(texts);
  return (
    <ActButton
      act={{
        title: own.endTitle,
        lead: own.endLead,
        verb: own.end,
        isHarmful: true,
        blast: <Reach of={{ session_id: session.id }} />,
        command: (reason) => commandLine('sessions', 'revoke', session.id, '--reason', reason),
        run: (reason) =>
          call('DELETE /v1/admin/sessions/{session_id}', { path: { session_id: session.id }, query: { reason } }),
      }}
    >
      {own.end}
    </ActButton>
  );
}

function Live({ client }: { readonly client: string }) {
  const own = useTexts(texts);
  const can = useCan();
  const pages = usePages('GET /v1/admin/sessions', { limit: 30, ...(client === '' ? {} : { client_id: client }) });
  return (
    <PagedList
      label={own.live}
      pages={pages}
      itemsOf={(page) => page.sessions}
      empty={
        <Empty title={own.none}>
          <p>{own.noneWhy}</p>
        </Empty>
      }
    >
      {(session: Session) => (
        <Row
          key={session.id}
          {...(can('users:read') ? { href: `/console/people/${encodeURIComponent(session.user_id)}` } : {})}
          title={<Foreign>{session.user_agent ?? own.unknownAgent}</Foreign>}
          meta={
            <>
              <span>{fill(own.user, { id: session.user_id })}</span>
              <Foreign>{session.ip_address ?? ''}</Foreign>
              <span>
                {own.began} <Time at={session.created_at} />
              </span>
              <span>
                {own.endsBy} <Time at={session.expires_at} />
              </span>
              {session.logins.map((login) => (
                <span key={login.family_id}>
                  <Foreign>{login.client_id}</Foreign> {own.refreshed} <Time at={login.refreshed_at} />
                </span>
              ))}
            </>
          }
          side={can('sessions:manage') ? <Acts session={session} /> : null}
        />
      )}
    </PagedList>
  );
}

function Ended() {
  const own = useTexts(texts);
  const pages = usePages('GET /v1/audit/events', { limit: 50, type: 'session.ended' });
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
      {(event: Event) => (
        <Row
          key={event.event_id}
          title={<Foreign>{String(event.detail.reason ?? event.type)}</Foreign>}
          meta={
            <>
              <span>
                {own.by} {event.actor.kind} {event.actor.id === null ? null : <Id>{event.actor.id}</Id>}
              </span>
              <Id>{event.target?.id ?? ''}</Id>
              <Time at={event.occurred_at} />
            </>
          }
          side={<Badge>{event.outcome}</Badge>}
        />
      )}
    </PagedList>
  );
}

export function Page() {
  const own = useTexts(texts);
  const names = useTexts(titles);
  const can = useCan();
  const { query, route } = useLocation();
  const isEnded = query.show === 'ended';
  const go = (members: Readonly<Record<string, string>>): void => {
    const given = Object.entries(members).filter(([, value]) => value !== '');
    route(`/console/sessions${given.length === 0 ? '' : `?${new URLSearchParams(given)}`}`, true);
  };
  return (
    <div class="page">
      <PageHead title={names.sessions} lead={own.lead} />
      <div class="toolbar">
        <Tabs
          label={own.which}
          tabs={[
            ['live', own.live],
            ['ended', own.ended],
          ]}
          open={isEnded ? 'ended' : 'live'}
          onOpen={(tab) => go(tab === 'live' ? { client: query.client ?? '' } : { show: tab })}
        />
        {isEnded ? null : (
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
        {isEnded ? can('audit:read') ? <Ended /> : <Empty title={own.noAudit} /> : <Live client={query.client ?? ''} />}
      </div>
    </div>
  );
}
