import { useState } from 'preact/hooks';
import { type Answer, call, useRead } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { type Act, ActButton } from '../parts/act.tsx';
import { CopyId, commandLine } from '../parts/copy.tsx';
import { Events } from '../parts/events.tsx';
import { Badge, Foreign, Time } from '../parts/format.tsx';
import { Facts, PageHead, type PageProps, Section } from '../parts/page.tsx';
import { Reach } from '../parts/reach.tsx';
import { SessionList } from '../parts/session-list.tsx';
import { Shown } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    people: 'People',
    account: 'Account',
    id: 'Id',
    name: 'Name',
    roles: 'Roles',
    created: 'Created',
    lastSignIn: 'Last sign-in',
    password: 'Password changed',
    noPassword: 'no password set',
    verified: 'Address verified',
    disabled: 'Disabled',
    locked: 'Password lock ends',
    closed: 'Passwords from unknown devices are refused',
    failed: 'Wrong passwords in a row',
    factors: 'Password and factors',
    totp: 'Authenticator app',
    passkeys: 'Passkeys',
    codes: 'Recovery codes left',
    owed: 'Enrols a second factor at the next sign-in',
    why: 'Can this person sign in?',
    canSignIn: 'Nothing stops a sign-in',
    alsoTrue: 'Also true',
    help: 'What helps',
    sessions: 'Sessions',
    noSessions: 'No live session',
    noSessionsWhy: 'The person is signed in nowhere.',
    happened: 'What happened to this account',
    endAll: 'End all sessions',
    endAllTitle: 'End every session of {email}',
    endAllLead: 'The person is signed out everywhere within a second. They can sign in again.',
    disable: 'Disable',
    disableTitle: 'Disable {email}',
    disableLead:
      'Every session and token ends within a second, and no sign-in is accepted until the account is enabled.',
    enable: 'Enable',
    enableTitle: 'Enable {email}',
    enableLead: 'The person can sign in again. Ended sessions stay ended.',
    reset: 'Reset factors',
    resetTitle: 'Remove the second factors of {email}',
    resetLead:
      'The authenticator app is removed and every session ends. The person signs in with the password and adds a factor again.',
    resetPasskeys: 'Remove the passkeys too',
    unlock: 'Unlock',
    unlockTitle: 'Unlock the passwords of {email}',
    unlockLead: 'Passwords are accepted again, also from devices that the person has not used before.',
  },
  de: {
    people: 'Personen',
    account: 'Konto',
    id: 'ID',
    name: 'Name',
    roles: 'Rollen',
    created: 'Angelegt',
    lastSignIn: 'Letzte Anmeldung',
    password: 'Passwort geändert',
    noPassword: 'kein Passwort gesetzt',
    verified: 'Adresse bestätigt',
    disabled: 'Gesperrt',
    locked: 'Passwortsperre endet',
    closed: 'Passwörter von unbekannten Geräten werden abgelehnt',
    failed: 'Falsche Passwörter in Folge',
    factors: 'Passwort und Faktoren',
    totp: 'Authenticator-App',
    passkeys: 'Passkeys',
    codes: 'Übrige Wiederherstellungscodes',
    owed: 'Richtet bei der nächsten Anmeldung einen zweiten Faktor ein',
    why: 'Kann sich diese Person anmelden?',
    canSignIn: 'Nichts hindert eine Anmeldung',
    alsoTrue: 'Außerdem gilt',
    help: 'Was hilft',
    sessions: 'Sitzungen',
    noSessions: 'Keine laufende Sitzung',
    noSessionsWhy: 'Die Person ist nirgends angemeldet.',
    happened: 'Was mit diesem Konto geschah',
    endAll: 'Alle Sitzungen beenden',
    endAllTitle: 'Jede Sitzung von {email} beenden',
    endAllLead: 'Die Person ist binnen einer Sekunde überall abgemeldet. Sie kann sich wieder anmelden.',
    disable: 'Sperren',
    disableTitle: '{email} sperren',
    disableLead:
      'Jede Sitzung und jedes Token endet binnen einer Sekunde, und keine Anmeldung gelingt, bis das Konto entsperrt ist.',
    enable: 'Entsperren',
    enableTitle: '{email} entsperren',
    enableLead: 'Die Person kann sich wieder anmelden. Beendete Sitzungen bleiben beendet.',
    reset: 'Faktoren zurücksetzen',
    resetTitle: 'Die zweiten Faktoren von {email} entfernen',
    resetLead:
      'Die Authenticator-App wird entfernt, und jede Sitzung endet. Die Person meldet sich mit dem Passwort an und fügt wieder einen Faktor hinzu.',
    resetPasskeys: 'Auch die Passkeys entfernen',
    unlock: 'Passwörter freigeben',
    unlockTitle: 'Die Passwörter von {email} freigeben',
    unlockLead: 'Passwörter werden wieder angenommen, auch von Geräten, die die Person noch nicht benutzt hat.',
  },
});

type Detail = Answer<'GET /v1/admin/users/{user_id}'>;

function Acts({ user }: { readonly user: Detail }) {
  const own = useTexts(texts);
  const can = useCan();
  const [withPasskeys, setWithPasskeys] = useState(false);
  const { id, email } = user;
  const path = { user_id: id };
  const blast = <Reach of={{ user_id: id }} />;
  const acts: readonly (readonly [string, Act, boolean])[] = [
    [
      own.unlock,
      {
        title: fill(own.unlockTitle, { email }),
        lead: own.unlockLead,
        verb: own.unlock,
        command: (reason) => commandLine('users', 'unlock', id, '--reason', reason),
        run: (reason) => call('POST /v1/admin/users/{user_id}/unlock', { path, body: { reason } }),
      },
      can('users:unlock') && (user.password_closed || user.locked_until !== null),
    ],
    [
      own.endAll,
      {
        title: fill(own.endAllTitle, { email }),
        lead: own.endAllLead,
        verb: own.endAll,
        isHarmful: true,
        blast,
        command: (reason) => commandLine('sessions', 'revoke', '--user', id, '--reason', reason),
        run: (reason) => call('POST /v1/admin/users/{user_id}/sessions/end', { path, body: { reason } }),
      },
      can('sessions:manage'),
    ],
    [
      own.reset,
      {
        title: fill(own.resetTitle, { email }),
        lead: own.resetLead,
        verb: own.reset,
        isHarmful: true,
        blast,
        fields: (
          <label class="check">
            <input
              type="checkbox"
              checked={withPasskeys}
              onChange={(event) => setWithPasskeys(event.currentTarget.checked)}
            />
            {own.resetPasskeys}
          </label>
        ),
        command: (reason) =>
          commandLine('users', 'reset-factors', id, ...(withPasskeys ? ['--passkeys'] : []), '--reason', reason),
        run: (reason) =>
          call('POST /v1/admin/users/{user_id}/factors/reset', { path, body: { reason, passkeys: withPasskeys } }),
      },
      can('users:manage') && (user.factors.totp || user.factors.passkeys > 0),
    ],
    user.disabled_at === null
      ? [
          own.disable,
          {
            title: fill(own.disableTitle, { email }),
            lead: own.disableLead,
            verb: own.disable,
            isHarmful: true,
            blast,
            command: (reason) => commandLine('users', 'disable', id, '--reason', reason),
            run: (reason) => call('POST /v1/admin/users/{user_id}/disable', { path, body: { reason } }),
          },
          can('users:manage'),
        ]
      : [
          own.enable,
          {
            title: fill(own.enableTitle, { email }),
            lead: own.enableLead,
            verb: own.enable,
            command: (reason) => commandLine('users', 'enable', id, '--reason', reason),
            run: (reason) => call('POST /v1/admin/users/{user_id}/enable', { path, body: { reason } }),
          },
          can('users:manage'),
        ],
  ];
  return (
    <>
      {acts.map(([text, act, isShown]) =>
        isShown ? (
          <ActButton key={text} act={act}>
            {text}
          </ActButton>
        ) : null,
      )}
    </>
  );
}

function Why({ id }: { readonly id: string }) {
  const own = useTexts(texts);
  const query = useRead('GET /v1/admin/users/{user_id}/why', { path: { user_id: id } });
  return (
    <Section title={own.why}>
      <Shown query={query} lines={2}>
        {(why) => (
          <div class={why.refuses ? 'note warn' : 'note good'}>
            <strong>{why.cause === 'nothing' ? own.canSignIn : why.sentence}</strong>
            {why.cause === 'nothing' ? null : (
              <p>
                {own.help}: <Foreign>{why.fix}</Foreign>
              </p>
            )}
            {why.also.length === 0 ? null : (
              <>
                <p>{own.alsoTrue}</p>
                <ul>
                  {why.also.map(({ cause, sentence }) => (
                    <li key={cause}>{sentence}</li>
                  ))}
                </ul>
              </>
            )}
          </div>
        )}
      </Shown>
    </Section>
  );
}

function Sessions({ id }: { readonly id: string }) {
  const own = useTexts(texts);
  return (
    <Section title={own.sessions}>
      <SessionList of={{ user_id: id }} withUser={false} empty={{ title: own.noSessions, why: own.noSessionsWhy }} />
    </Section>
  );
}

export function Page({ params, title }: PageProps) {
  const id = params.id ?? '';
  const own = useTexts(texts);
  const can = useCan();
  const query = useRead('GET /v1/admin/users/{user_id}', { path: { user_id: id } });
  return (
    <div class="page">
      <p class="crumb">
        <a href="/console/people">{own.people}</a>
      </p>
      {query.data === undefined ? <PageHead title={title} /> : null}
      <Shown query={query} lines={5}>
        {(user) => (
          <>
            <PageHead
              title={user.email}
              badges={user.disabled_at === null ? null : <Badge tone="bad">{own.disabled}</Badge>}
            >
              <Acts user={user} />
            </PageHead>
            <Why id={id} />
            <div class="grid">
              <Section title={own.account}>
                <Facts
                  items={[
                    [own.id, <CopyId>{user.id}</CopyId>],
                    [own.name, <Foreign>{user.name ?? ''}</Foreign>],
                    [own.roles, <Foreign>{user.roles.join(', ')}</Foreign>],
                    [own.verified, <Time at={user.email_verified_at} />],
                    [own.created, <Time at={user.created_at} />],
                    [own.lastSignIn, <Time at={user.last_login_at} />],
                  ]}
                />
              </Section>
              <Section title={own.factors}>
                <Facts
                  items={[
                    [
                      own.password,
                      user.password_changed_at === null ? own.noPassword : <Time at={user.password_changed_at} />,
                    ],
                    [own.totp, user.factors.totp ? '✓' : '–'],
                    [own.passkeys, String(user.factors.passkeys)],
                    [own.codes, String(user.factors.recovery_codes_left)],
                    ...(user.factors.owed ? [[own.owed, '✓'] as const] : []),
                    [own.failed, String(user.failed_logins)],
                    ...(user.locked_until === null ? [] : [[own.locked, <Time at={user.locked_until} />] as const]),
                    ...(user.password_closed ? [[own.closed, '✓'] as const] : []),
                  ]}
                />
              </Section>
            </div>
            {can('sessions:read') ? <Sessions id={id} /> : null}
            {can('audit:read') ? <Events title={own.happened} of={{ target: `user:${id}` }} /> : null}
          </>
        )}
      </Shown>
    </div>
  );
}
