import { useState } from 'preact/hooks';
import { type Answer, call, useRead } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { ActButton } from '../parts/act.tsx';
import { CopyButton, CopyId, commandLine } from '../parts/copy.tsx';
import { Badge, Foreign, Time } from '../parts/format.tsx';
import { Facts, PageHead, type PageProps, Section } from '../parts/page.tsx';
import { Reach } from '../parts/reach.tsx';
import { Shown } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    clients: 'Clients',
    about: 'About',
    security: 'Security',
    id: 'Client id',
    origin: 'Origin',
    page: 'Website',
    created: 'Created',
    grants: 'Grants',
    scopes: 'Scopes for users',
    credentialScopes: 'Scopes of its own tokens',
    redirects: 'Redirect URIs',
    audiences: 'Audiences',
    method: 'Authentication',
    dpop: 'Tokens bound to a key (DPoP)',
    idTokenClaims: 'Claims in ID tokens',
    pkce: 'PKCE',
    rotation: 'Refresh rotation',
    profile: 'Profile',
    disabled: 'Disabled',
    builtIn: 'built in',
    disable: 'Disable',
    disableTitle: 'Disable {name}',
    disableLead: 'Its tokens and those of its users end within a second, and it gets no new ones until it is enabled.',
    enable: 'Enable',
    enableTitle: 'Enable {name}',
    enableLead: 'The client gets tokens again. Ended tokens stay ended.',
    rotate: 'Rotate secret',
    rotateTitle: 'Give {name} a new secret',
    rotateLead:
      'The new secret is shown once. The previous one works for ten more minutes. Tokens and API keys that it made stay valid; after a leak, use “Replace after a leak”.',
    leaked: 'Replace after a leak',
    leakedTitle: 'Replace the leaked secret of {name}',
    leakedLead:
      'The previous secret, the tokens of the client and its users, and its API keys end within a second. Its streams of shared signals stay: look where they go.',
    secret: 'The new secret, shown this once',
  },
  de: {
    clients: 'Clients',
    about: 'Angaben',
    security: 'Sicherheit',
    id: 'Client-ID',
    origin: 'Herkunft',
    page: 'Website',
    created: 'Angelegt',
    grants: 'Grants',
    scopes: 'Scopes für Benutzer',
    credentialScopes: 'Scopes eigener Tokens',
    redirects: 'Redirect-URIs',
    audiences: 'Audiences',
    method: 'Authentifizierung',
    dpop: 'Tokens an Schlüssel gebunden (DPoP)',
    idTokenClaims: 'Claims in ID-Tokens',
    pkce: 'PKCE',
    rotation: 'Refresh-Rotation',
    profile: 'Profil',
    disabled: 'Gesperrt',
    builtIn: 'eingebaut',
    disable: 'Sperren',
    disableTitle: '{name} sperren',
    disableLead:
      'Seine Tokens und die seiner Benutzer enden binnen einer Sekunde, und er bekommt keine neuen, bis er entsperrt ist.',
    enable: 'Entsperren',
    enableTitle: '{name} entsperren',
    enableLead: 'Der Client bekommt wieder Tokens. Beendete Tokens bleiben beendet.',
    rotate: 'Geheimnis wechseln',
    rotateTitle: '{name} ein neues Geheimnis geben',
    rotateLead:
      'Das neue Geheimnis wird einmal gezeigt. Das vorige gilt noch zehn Minuten. Damit erzeugte Tokens und API-Schlüssel gelten weiter; ist es bekannt geworden, wähle „Nach einem Leck ersetzen“.',
    leaked: 'Nach einem Leck ersetzen',
    leakedTitle: 'Das bekannt gewordene Geheimnis von {name} ersetzen',
    leakedLead:
      'Das vorige Geheimnis, die Tokens des Clients und seiner Benutzer und seine API-Schlüssel enden binnen einer Sekunde. Seine Streams gemeinsamer Signale bleiben: prüfe, wohin sie gehen.',
    secret: 'Das neue Geheimnis, nur dieses eine Mal gezeigt',
  },
});

type Client = Answer<'GET /v1/admin/clients/{client_id}'>;

const OVERLAP_SECONDS = 600;
const listed = (items: readonly string[]) =>
  items.length === 0 ? (
    '–'
  ) : (
    <ul>
      {items.map((item) => (
        <li key={item}>
          <Foreign>{item}</Foreign>
        </li>
      ))}
    </ul>
  );

function Acts({ client, onSecret }: { readonly client: Client; readonly onSecret: (secret: string) => void }) {
  const own = useTexts(texts);
  const { client_id: id, name } = client;
  const path = { client_id: id };
  const blast = <Reach of={{ client_id: id }} />;
  const rotating = (overlap: number) => ({
    command: (reason: string) =>
      commandLine('clients', 'rotate-secret', id, '--overlap', String(overlap), '--reason', reason),
    run: async (reason: string) => {
      const body = { reason, overlap_seconds: overlap };
      const changed = await call('POST /v1/admin/clients/{client_id}/rotate-secret', { path, body });
      onSecret(changed.client_secret ?? '');
    },
  });
  return (
    <>
      {client.auth_method.startsWith('client_secret') ? (
        <>
          <ActButton
            act={{
              title: fill(own.rotateTitle, { name }),
              lead: own.rotateLead,
              verb: own.rotate,
              ...rotating(OVERLAP_SECONDS),
            }}
          >
            {own.rotate}
          </ActButton>
          <ActButton
            act={{
              title: fill(own.leakedTitle, { name }),
              lead: own.leakedLead,
              verb: own.leaked,
              isHarmful: true,
              blast,
              ...rotating(0),
            }}
          >
            {own.leaked}
          </ActButton>
        </>
      ) : null}
      {client.disabled ? (
        <ActButton
          act={{
            title: fill(own.enableTitle, { name }),
            lead: own.enableLead,
            verb: own.enable,
            command: (reason) => commandLine('clients', 'enable', id, '--reason', reason),
            run: (reason) => call('POST /v1/admin/clients/{client_id}/enable', { path, body: { reason } }),
          }}
        >
          {own.enable}
        </ActButton>
      ) : (
        <ActButton
          act={{
            title: fill(own.disableTitle, { name }),
            lead: own.disableLead,
            verb: own.disable,
            isHarmful: true,
            blast,
            command: (reason) => commandLine('clients', 'disable', id, '--reason', reason),
            run: (reason) => call('POST /v1/admin/clients/{client_id}/disable', { path, body: { reason } }),
          }}
        >
          {own.disable}
        </ActButton>
      )}
    </>
  );
}

export function Page({ params, title }: PageProps) {
  const id = params.id ?? '';
  const own = useTexts(texts);
  const can = useCan();
  const [secret, setSecret] = useState('');
  const query = useRead('GET /v1/admin/clients/{client_id}', { path: { client_id: id } });
  return (
    <div class="page">
      <p class="crumb">
        <a href="/console/clients">{own.clients}</a>
      </p>
      {query.data === undefined ? <PageHead title={title} /> : null}
      <Shown query={query} lines={5}>
        {(client) => (
          <>
            <PageHead
              title={client.name}
              badges={
                <>
                  {client.built_in ? <Badge>{own.builtIn}</Badge> : null}
                  {client.disabled ? <Badge tone="bad">{own.disabled}</Badge> : null}
                </>
              }
            >
              {can('clients:manage') && !client.built_in ? <Acts client={client} onSecret={setSecret} /> : null}
            </PageHead>
            {secret === '' ? null : (
              <div class="note good" role="status">
                <strong>{own.secret}</strong>
                <p>
                  <code>{secret}</code>
                </p>
                <CopyButton text={secret} />
              </div>
            )}
            <div class="grid">
              <Section title={own.about}>
                <Facts
                  items={[
                    [own.id, <CopyId>{client.client_id}</CopyId>],
                    [own.origin, client.origin],
                    [own.page, <Foreign>{client.client_uri ?? '–'}</Foreign>],
                    [own.created, <Time at={client.created_at} />],
                    [own.redirects, listed(client.redirect_uris)],
                    [own.audiences, listed(client.audiences)],
                  ]}
                />
              </Section>
              <Section title={own.security}>
                <Facts
                  items={[
                    [own.method, client.auth_method],
                    [own.grants, listed(client.grant_types)],
                    [own.scopes, listed(client.scopes)],
                    [own.credentialScopes, listed(client.credential_scopes)],
                    [own.idTokenClaims, listed(client.id_token_claims)],
                    [own.pkce, client.pkce],
                    [own.dpop, client.dpop_bound_access_tokens ? '✓' : '–'],
                    [own.rotation, client.refresh_rotation],
                    [own.profile, client.profile],
                  ]}
                />
              </Section>
            </div>
          </>
        )}
      </Shown>
    </div>
  );
}
