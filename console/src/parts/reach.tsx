import { useRead } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { common } from '../texts/common.ts';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';
import { useNumber } from './format.tsx';
import { Shown } from './states.tsx';

const texts = inLanguages({
  en: {
    sessions: 'Sessions',
    applications: 'Applications',
    logins: 'Sign-ins at them',
    users: 'People',
    notAllowed: 'You lack the permission sessions:read, so this is not counted.',
  },
  de: {
    sessions: 'Sitzungen',
    applications: 'Anwendungen',
    logins: 'Anmeldungen dort',
    users: 'Personen',
    notAllowed: 'Ihnen fehlt die Berechtigung sessions:read, daher wird das nicht gezählt.',
  },
});

type ReachOf = { readonly user_id?: string; readonly client_id?: string; readonly session_id?: string };

/** What ends with a user, a client or a session, counted before the act: never more than 10,000, then "over 10,000". */
export function Reach({ of }: { readonly of: ReachOf }) {
  const can = useCan();
  const own = useTexts(texts);
  if (!can('sessions:read')) return <>{own.notAllowed}</>;
  return <Counted of={of} />;
}

function Counted({ of }: { readonly of: ReachOf }) {
  const own = useTexts(texts);
  const shared = useTexts(common);
  const number = useNumber();
  const query = useRead('GET /v1/admin/sessions/reach', { query: of });
  return (
    <Shown query={query} lines={1}>
      {(reach) => {
        const shown = (count: number): string =>
          reach.is_more ? fill(shared.over, { count: number(count) }) : number(count);
        return (
          <dl class="reach">
            {(
              [
                'sessions',
                'applications',
                'logins',
                ...(of.client_id === undefined ? [] : (['users'] as const)),
              ] as const
            ).map((name) => (
              <div key={name}>
                <dt>{own[name]}</dt>
                <dd>{name === 'applications' ? number(reach[name]) : shown(reach[name])}</dd>
              </div>
            ))}
          </dl>
        );
      }}
    </Shown>
  );
}
