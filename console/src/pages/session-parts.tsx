import { type Answer, call } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import type { Item } from '../fold/operation.ts';
import { ActButton } from '../parts/act.tsx';
import { commandLine } from '../parts/copy.tsx';
import { Time } from '../parts/format.tsx';
import { Name } from '../parts/ref.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    refreshed: 'refreshed',
    noLogins: 'No application holds tokens through it',
    end: 'End',
    endLogin: 'End at {client}',
    endLoginTitle: 'End the sign-in at {client}',
    endLoginLead:
      'The tokens of this sign-in are refused within a second, and it cannot be refreshed. The browser session and its other applications go on.',
    oneLogin: 'one sign-in at one application',
  },
  de: {
    refreshed: 'erneuert',
    noLogins: 'Keine Anwendung hat durch sie Tokens',
    end: 'Beenden',
    endLogin: 'Bei {client} beenden',
    endLoginTitle: 'Die Anmeldung bei {client} beenden',
    endLoginLead:
      'Die Tokens dieser Anmeldung werden binnen einer Sekunde abgelehnt, und sie lässt sich nicht erneuern. Die Browser-Sitzung und ihre anderen Anwendungen laufen weiter.',
    oneLogin: 'eine Anmeldung bei einer Anwendung',
  },
});

type Session = Answer<'GET /v1/admin/sessions'>['sessions'][number];

function EndLogin({ client_id: client, family_id: id }: Session['logins'][number]) {
  const own = useTexts(texts);
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
      }}
    >
      {fill(own.endLogin, { client })}
    </ActButton>
  );
}

/** Sign-ins at applications through the session, its live token families: each can be ended alone. */
export function InRow({ item }: { readonly item: Item }) {
  const own = useTexts(texts);
  const can = useCan();
  const { logins } = item as Session;
  if (logins.length === 0) return <p class="dim small">{own.noLogins}</p>;
  return (
    <ul class="logins">
      {logins.map((login) => (
        <li key={login.family_id}>
          <span>
            <Name kind="client" id={login.client_id} /> {own.refreshed} <Time at={login.refreshed_at} />
          </span>
          {can('tokens:revoke') ? <EndLogin {...login} /> : null}
        </li>
      ))}
    </ul>
  );
}
