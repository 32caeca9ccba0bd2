import { useState } from 'preact/hooks';
import { type Answer, call, useRead } from '../../data/api.ts';
import { useCan } from '../../data/session.tsx';
import { ActButton } from '../../parts/act.tsx';
import { commandLine } from '../../parts/copy.tsx';
import { CheckField, TextField } from '../../parts/fields.tsx';
import { Foreign, Time, useNumber } from '../../parts/format.tsx';
import { Row, Section } from '../../parts/page.tsx';
import { Empty, Shown } from '../../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../../texts/languages.ts';

const texts = inLanguages({
  en: {
    transmitters: 'Transmitters',
    none: 'No other system may end access here',
    noneWhy: 'Add the issuer of your identity provider or device management, so that its signals end access here.',
    provider: 'linked accounts of {provider}',
    byEmail: 'verified addresses',
    received: '{count} signals in 90 days, the last',
    add: 'Add a transmitter',
    addLead: 'Its session-revoked and credential-change end every session and token of the user that they name.',
    addBlast: 'Every user with a linked account or a verified address that it names',
    issuer: 'Issuer',
    issuerHelp: 'The iss of its events',
    jwks: 'Its key set',
    jwksHelp: 'URL of its public keys (jwks_uri)',
    audience: 'Audience',
    audienceHelp: 'The aud of its events; our issuer if left out',
    linked: 'Provider of linked accounts',
    linkedHelp: 'Its subjects are account ids of this provider, as in sign-ins; may be left out',
    matchEmail: 'Its subjects may be verified mail addresses',
    ownIds: 'Its subjects may be our own ids: it can end the sessions of every user',
    byOwnId: 'our ids',
    remove: 'Remove',
    removeTitle: 'Refuse the signals of {issuer}',
    removeLead: 'Its signals are refused from now on. What they ended stays ended.',
    removeBlast: 'Access that ends there does not end here any more. It sent {count} signals in 90 days.',
  },
  de: {
    transmitters: 'Sender',
    none: 'Kein anderes System darf hier Zugriff beenden',
    noneWhy:
      'Fügen Sie den Issuer Ihres Identitätsanbieters oder Ihrer Geräteverwaltung hinzu, damit seine Signale hier Zugriff beenden.',
    provider: 'verknüpfte Konten von {provider}',
    byEmail: 'bestätigte Adressen',
    received: '{count} Signale in 90 Tagen, das letzte',
    add: 'Sender hinzufügen',
    addLead: 'Sein session-revoked und credential-change beenden jede Sitzung und jedes Token des genannten Benutzers.',
    addBlast: 'Jeder Benutzer mit einem verknüpften Konto oder einer bestätigten Adresse, die er nennt',
    issuer: 'Issuer',
    issuerHelp: 'Das iss seiner Ereignisse',
    jwks: 'Seine Schlüssel',
    jwksHelp: 'URL seiner öffentlichen Schlüssel (jwks_uri)',
    audience: 'Audience',
    audienceHelp: 'Das aud seiner Ereignisse; ohne Angabe unser Issuer',
    linked: 'Anbieter verknüpfter Konten',
    linkedHelp: 'Er nennt Konto-IDs dieses Anbieters, wie bei Anmeldungen; kann fehlen',
    matchEmail: 'Er darf bestätigte Mailadressen nennen',
    ownIds: 'Er darf unsere eigenen Ids nennen: er kann die Sitzungen aller Benutzer beenden',
    byOwnId: 'unsere Ids',
    remove: 'Entfernen',
    removeTitle: 'Die Signale von {issuer} ablehnen',
    removeLead: 'Seine Signale werden ab jetzt abgelehnt. Was sie beendet haben, bleibt beendet.',
    removeBlast: 'Zugriff, der dort endet, endet hier nicht mehr. Er sandte {count} Signale in 90 Tagen.',
  },
});

type Transmitter = Answer<'GET /v1/admin/signal-transmitters'>['transmitters'][number];
/** As the contract bounds them. */
const MAX = { url: 512, provider: 64 } as const;
const first = { issuer: '', jwks: '', audience: '', provider: '', matchEmail: false, ownIds: false };

function Add() {
  const own = useTexts(texts);
  const [form, setForm] = useState(first);
  const set = (change: Partial<typeof first>): void => setForm({ ...form, ...change });
  const { issuer, jwks, audience, provider, matchEmail, ownIds } = form;
  return (
    <ActButton
      act={{
        title: own.add,
        lead: own.addLead,
        verb: own.add,
        blast: own.addBlast,
        fields: (
          <>
            <TextField
              label={own.issuer}
              help={own.issuerHelp}
              type="url"
              value={issuer}
              max={MAX.url}
              isRequired
              onChange={(value) => set({ issuer: value })}
            />
            <TextField
              label={own.jwks}
              help={own.jwksHelp}
              type="url"
              value={jwks}
              max={MAX.url}
              isRequired
              onChange={(value) => set({ jwks: value })}
            />
            <TextField
              label={own.linked}
              help={own.linkedHelp}
              value={provider}
              max={MAX.provider}
              onChange={(value) => set({ provider: value })}
            />
            <CheckField
              label={own.matchEmail}
              isChecked={matchEmail}
              onChange={(value) => set({ matchEmail: value })}
            />
            <CheckField label={own.ownIds} isChecked={ownIds} onChange={(value) => set({ ownIds: value })} />
            <TextField
              label={own.audience}
              help={own.audienceHelp}
              value={audience}
              max={MAX.url}
              onChange={(value) => set({ audience: value })}
            />
          </>
        ),
        command: (reason) =>
          commandLine(
            'transmitters',
            'add',
            issuer,
            '--jwks-uri',
            jwks,
            ...(audience === '' ? [] : ['--audience', audience]),
            ...(provider === '' ? [] : ['--provider', provider]),
            ...(matchEmail ? ['--match-email'] : []),
            ...(ownIds ? ['--own-ids'] : []),
            '--reason',
            reason,
          ),
        run: (reason) =>
          call('POST /v1/admin/signal-transmitters', {
            body: {
              issuer,
              jwks_uri: jwks,
              ...(audience === '' ? {} : { audience }),
              ...(provider === '' ? {} : { provider }),
              match_email: matchEmail,
              own_ids: ownIds,
              reason,
            },
          }),
        onDone: () => setForm(first),
      }}
    >
      {own.add}
    </ActButton>
  );
}

function Remove({ of }: { readonly of: Transmitter }) {
  const own = useTexts(texts);
  const number = useNumber();
  const { transmitter_id: id, issuer } = of;
  return (
    <ActButton
      act={{
        title: fill(own.removeTitle, { issuer }),
        lead: own.removeLead,
        verb: own.remove,
        isHarmful: true,
        blast: fill(own.removeBlast, { count: number(of.received) }),
        command: (reason) => commandLine('transmitters', 'remove', id, '--reason', reason),
        run: (reason) =>
          call('POST /v1/admin/signal-transmitters/{transmitter_id}/remove', {
            path: { transmitter_id: id },
            body: { reason },
          }),
      }}
    >
      {own.remove}
    </ActButton>
  );
}

/** Systems that may end sessions here. */
export function Transmitters() {
  const own = useTexts(texts);
  const can = useCan();
  const number = useNumber();
  const query = useRead('GET /v1/admin/signal-transmitters', {});
  return (
    <Section title={own.transmitters} acts={can('signals:manage') ? <Add /> : undefined}>
      <Shown query={query}>
        {({ transmitters }) =>
          transmitters.length === 0 ? (
            <Empty title={own.none}>
              <p>{own.noneWhy}</p>
            </Empty>
          ) : (
            <ul class="rows" aria-label={own.transmitters}>
              {transmitters.map((transmitter) => (
                <Row
                  key={transmitter.transmitter_id}
                  title={<Foreign>{transmitter.issuer}</Foreign>}
                  meta={
                    <>
                      <Foreign>{transmitter.jwks_uri}</Foreign>
                      {transmitter.provider === null ? null : (
                        <span>{fill(own.provider, { provider: transmitter.provider })}</span>
                      )}
                      {transmitter.match_email ? <span>{own.byEmail}</span> : null}
                      {transmitter.own_ids ? <span>{own.byOwnId}</span> : null}
                      <span>
                        {fill(own.received, { count: number(transmitter.received) })}{' '}
                        <Time at={transmitter.last_received_at} />
                      </span>
                    </>
                  }
                  side={can('signals:manage') ? <Remove of={transmitter} /> : null}
                />
              ))}
            </ul>
          )
        }
      </Shown>
    </Section>
  );
}
