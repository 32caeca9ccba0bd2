import { useState } from 'preact/hooks';
import { type Answer, call, usePages } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';
import { ActButton } from './act.tsx';
import { CopyButton, commandLine } from './copy.tsx';
import { Agent, shortAddress } from './device.tsx';
import { Expiry, Foreign, Id, Time } from './format.tsx';
import { PagedList, Row } from './page.tsx';
import { Reach } from './reach.tsx';
import { Empty } from './states.tsx';

const texts = inLanguages({
  en: {
    label: 'Sessions',
    user: 'User',
    unknownAgent: 'unknown browser',
    session: 'session',
    copySession: 'Copy the session id',
    began: 'began',
    refreshed: 'refreshed',
    noLogins: 'No application holds tokens through it',
    end: 'End',
    endSession: 'End session',
    endTitle: 'End this session',
    endLead: 'The session ends everywhere within a second, with the tokens that applications got through it.',
    endLogin: 'End at {client}',
    endLoginTitle: 'End the sign-in at {client}',
    endLoginLead:
      'The tokens of this sign-in are refused within a second, and it cannot be refreshed. The browser session and its other applications go on.',
    oneLogin: 'one sign-in at one application',
    ended: 'Ended',
    endedSession: 'session',
    endedLogin: 'sign-in',
    why: 'What ended it',
  },
  de: {
    label: 'Sitzungen',
    user: 'Benutzer',
    unknownAgent: 'unbekannter Browser',
    session: 'Sitzung',
    copySession: 'Sitzungs-ID kopieren',
    began: 'begann',
    refreshed: 'erneuert',
    noLogins: 'Keine Anwendung hat durch sie Tokens',
    end: 'Beenden',
    endSession: 'Sitzung beenden',
    endTitle: 'Diese Sitzung beenden',
    endLead: 'Die Sitzung endet überall binnen einer Sekunde, samt den Tokens, die Anwendungen durch sie bekamen.',
    endLogin: 'Bei {client} beenden',
    endLoginTitle: 'Die Anmeldung bei {client} beenden',
    endLoginLead:
      'Die Tokens dieser Anmeldung werden binnen einer Sekunde abgelehnt, und sie lässt sich nicht erneuern. Die Browser-Sitzung und ihre anderen Anwendungen laufen weiter.',
    oneLogin: 'eine Anmeldung bei einer Anwendung',
    ended: 'Beendet',
    endedSession: 'Sitzung',
    endedLogin: 'Anmeldung',
    why: 'Was sie beendet hat',
  },
});

type Session = Answer<'GET /v1/admin/sessions'>['sessions'][number];
type Login = Session['logins'][number];
type Ended = { readonly kind: 'session' | 'family'; readonly id: string };
type OnEnded = (ended: Ended) => void;

function EndSession({ id, onEnded }: { readonly id: string; readonly onEnded: OnEnded }) {
  const own = useTexts(texts);
  return (
    <ActButton
      act={{
        title: own.endTitle,
        lead: own.endLead,
        verb: own.end,
        isHarmful: true,
        blast: <Reach of={{ session_id: id }} />,
        command: (reason) => commandLine('sessions', 'revoke', id, '--reason', reason),
        run: (reason) =>
          call('DELETE /v1/admin/sessions/{session_id}', { path: { session_id: id }, query: { reason } }),
        onDone: () => onEnded({ kind: 'session', id }),
      }}
    >
      {own.endSession}
    </ActButton>
  );
}

function EndLogin({ login, onEnded }: { readonly login: Login; readonly onEnded: OnEnded }) {
  const own = useTexts(texts);
  const { client_id: client, family_id: id } = login;
  return (
    <ActButton
      act={{
        title: fill(own.endLoginTitle, { client }),
        lead: own.endLoginLead,
        verb: own.end,
        isHarmful: true,
        blast: own.oneLogin,
        command: (reason) => commandLine('sessions', 'revoke', '--family', id, '--reason', reason),
        run: (reason) => call('POST /v1/tokens/revoke', { body: { family_id: id, reason } }),
        onDone: () => onEnded({ kind: 'family', id }),
      }}
    >
      {fill(own.endLogin, { client })}
    </ActButton>
  );
}

/** Sign-ins at applications through the session: its live token families. */
function Logins({ logins, onEnded }: { readonly logins: readonly Login[]; readonly onEnded: OnEnded }) {
  const own = useTexts(texts);
  const can = useCan();
  if (logins.length === 0) return <p class="dim small">{own.noLogins}</p>;
  return (
    <ul class="logins">
      {logins.map((login) => (
        <li key={login.family_id}>
          <span>
            <Foreign>{login.client_id}</Foreign> {own.refreshed} <Time at={login.refreshed_at} />
          </span>
          {can('tokens:revoke') ? <EndLogin login={login} onEnded={onEnded} /> : null}
        </li>
      ))}
    </ul>
  );
}

/** What was just ended here, and where the audit log says by whom and why. */
function JustEnded({ ended }: { readonly ended: readonly Ended[] }) {
  const own = useTexts(texts);
  const can = useCan();
  if (ended.length === 0) return null;
  return (
    <div class="note good" role="status">
      {ended.map(({ kind, id }) => (
        <p key={id}>
          {own.ended}: {kind === 'session' ? own.endedSession : own.endedLogin} <Id>{id}</Id>{' '}
          {can('audit:read') ? (
            <a href={`/console/audit?${new URLSearchParams({ target: `${kind}:${id}` })}`}>{own.why}</a>
          ) : null}
        </p>
      ))}
    </div>
  );
}

/** Live sessions with the applications that hold tokens through them; each of both can be ended alone. */
export function SessionList({
  of,
  withUser,
  empty,
}: {
  readonly of: { readonly user_id?: string; readonly client_id?: string };
  /** Whether each row leads to its user. */
  readonly withUser: boolean;
  readonly empty: { readonly title: string; readonly why: string };
}) {
  const own = useTexts(texts);
  const can = useCan();
  const [ended, setEnded] = useState<readonly Ended[]>([]);
  const onEnded: OnEnded = (one) => setEnded((before) => [...before, one]);
  const pages = usePages('GET /v1/admin/sessions', { limit: 30, ...of });
  return (
    <>
      <JustEnded ended={ended} />
      <PagedList
        label={own.label}
        pages={pages}
        itemsOf={(page) => page.sessions}
        empty={
          <Empty title={empty.title}>
            <p>{empty.why}</p>
          </Empty>
        }
      >
        {(session: Session) => (
          <Row
            key={session.id}
            {...(withUser && can('users:read')
              ? { href: `/console/people/${encodeURIComponent(session.user_id)}` }
              : {})}
            title={<Agent text={session.user_agent} unknown={own.unknownAgent} />}
            meta={
              <>
                {withUser ? (
                  <span>
                    {own.user} <Name kind="user" id={session.user_id} />
                  </span>
                ) : null}
                {session.ip_address === null ? null : <Foreign>{shortAddress(session.ip_address)}</Foreign>}
                <span>
                  {own.began} <Time at={session.created_at} />
                </span>
                <Expiry at={session.expires_at} />
                <span class="above">
                  {own.session} <Id>{session.id}</Id> <CopyButton text={session.id} label={own.copySession} />
                </span>
              </>
            }
            below={<Logins logins={session.logins} onEnded={onEnded} />}
            side={can('sessions:manage') ? <EndSession id={session.id} onEnded={onEnded} /> : null}
          />
        )}
      </PagedList>
    </>
  );
}
