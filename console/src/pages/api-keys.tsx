import { type Answer, call, usePages } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { ActButton } from '../parts/act.tsx';
import { commandLine } from '../parts/copy.tsx';
import { Badge, Expiry, Foreign, Id, Time, type Tone, useNumber } from '../parts/format.tsx';
import { PagedList, PageHead, type PageProps, Row } from '../parts/page.tsx';
import { Empty } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Keys of users and clients, newest first; no secret is ever shown again',
    none: 'There is no API key yet',
    noneWhy:
      'Users create keys at /account/api-keys, clients by the API, operators by the command line. Each appears here.',
    unused: 'never used',
    used: 'last used',
    uses: '{count} uses',
    live: 'Active',
    expired: 'Expired',
    revoked: 'Revoked',
    ended: 'Ended',
    revoke: 'Revoke',
    revokeTitle: 'Revoke the key {name}',
    revokeLead: 'Every request with this key is refused within a second. It cannot be undone.',
  },
  de: {
    lead: 'Schlüssel von Benutzern und Clients, die neuesten zuerst; kein Geheimnis wird je wieder gezeigt',
    none: 'Es gibt noch keinen API-Schlüssel',
    noneWhy:
      'Benutzer legen Schlüssel unter /account/api-keys an, Clients über die API, Betreiber auf der Kommandozeile. Jeder erscheint hier.',
    unused: 'nie benutzt',
    used: 'zuletzt benutzt',
    uses: '{count}× benutzt',
    live: 'Aktiv',
    expired: 'Abgelaufen',
    revoked: 'Widerrufen',
    ended: 'Beendet',
    revoke: 'Widerrufen',
    revokeTitle: 'Den Schlüssel {name} widerrufen',
    revokeLead: 'Jede Anfrage mit diesem Schlüssel wird binnen einer Sekunde abgelehnt. Das ist endgültig.',
  },
});

type ApiKey = Answer<'GET /v1/admin/api-keys'>['api_keys'][number];
const tones = { live: 'good', expired: 'plain', revoked: 'bad', ended: 'bad' } as const satisfies Record<
  ApiKey['state'],
  Tone
>;

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const can = useCan();
  const number = useNumber();
  const pages = usePages('GET /v1/admin/api-keys', { limit: 50 });
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      <div>
        <PagedList
          label={title}
          pages={pages}
          itemsOf={(page) => page.api_keys}
          empty={
            <Empty
              title={own.none}
              command={commandLine(
                'api-keys',
                'create',
                '--name',
                'reports',
                '--client',
                'CLIENT_ID',
                '--reason',
                'reads',
              )}
            >
              <p>{own.noneWhy}</p>
            </Empty>
          }
        >
          {(key: ApiKey) => (
            <Row
              key={key.api_key_id}
              title={<Foreign>{key.name}</Foreign>}
              meta={
                <>
                  <span>
                    {key.owner.kind} <Id>{key.owner.id ?? '–'}</Id>
                  </span>
                  <Foreign>{key.permissions.join(', ')}</Foreign>
                  <Expiry at={key.expires_at} />
                  {key.last_used_at === null ? (
                    <span>{own.unused}</span>
                  ) : (
                    <span>
                      {own.used} <Time at={key.last_used_at} />, {fill(own.uses, { count: number(key.uses) })}
                    </span>
                  )}
                </>
              }
              side={
                <>
                  <Badge tone={tones[key.state]}>{own[key.state]}</Badge>
                  {key.state === 'live' && can('api_keys:manage') ? (
                    <ActButton
                      act={{
                        title: fill(own.revokeTitle, { name: key.name }),
                        lead: own.revokeLead,
                        verb: own.revoke,
                        isHarmful: true,
                        blast: fill(own.uses, { count: number(key.uses) }),
                        command: (reason) => commandLine('api-keys', 'revoke', key.api_key_id, '--reason', reason),
                        run: (reason) =>
                          call('POST /v1/admin/api-keys/{api_key_id}/revoke', {
                            path: { api_key_id: key.api_key_id },
                            body: { reason },
                          }),
                      }}
                    >
                      {own.revoke}
                    </ActButton>
                  ) : null}
                </>
              }
            />
          )}
        </PagedList>
      </div>
    </div>
  );
}
