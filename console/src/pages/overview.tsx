import { useRead } from '../data/api.ts';
import { useCan, useSession } from '../data/session.tsx';
import { Rows } from '../fold/list.tsx';
import { KeyRow } from '../parts/key-row.tsx';
import { PageHead, type PageProps, Section } from '../parts/page.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { type Place, placeOf } from '../places.ts';
import { inLanguages, useTexts } from '../texts/languages.ts';
import { Dashboard } from './overview/dashboard.tsx';

const texts = inLanguages({
  en: {
    lead: 'What needs attention now',
    nothing: 'Your permissions show no figures here',
    nothingWhy: 'Choose a page of the navigation: it lists what you may see.',
    incidents: 'Open incidents',
    noIncidents: 'No incident is open',
    noIncidentsWhy: 'Detections run on every event. A new incident appears here.',
    keys: 'Signing keys',
    noKeys: 'No key is in the ring',
    noKeysWhy: 'The API makes the first key when it starts.',
  },
  de: {
    lead: 'Was jetzt Aufmerksamkeit braucht',
    nothing: 'Ihre Berechtigungen zeigen hier keine Zahlen',
    nothingWhy: 'Wählen Sie eine Seite der Navigation: sie nennt, was Sie sehen dürfen.',
    incidents: 'Offene Vorfälle',
    noIncidents: 'Kein Vorfall ist offen',
    noIncidentsWhy: 'Erkennungen prüfen jedes Ereignis. Ein neuer Vorfall erscheint hier.',
    keys: 'Signaturschlüssel',
    noKeys: 'Kein Schlüssel ist im Ring',
    noKeysWhy: 'Die API legt den ersten Schlüssel an, wenn sie startet.',
  },
});

const REFRESH_MS = 15_000;

function Incidents() {
  const own = useTexts(texts);
  const place = placeOf('incidents') as Place;
  const { group, special } = place.fold as NonNullable<Place['fold']>;
  return (
    <Section title={own.incidents}>
      <Rows
        operation={group.list}
        special={{ ...special, every: REFRESH_MS }}
        segment={group.segment}
        group={group}
        label={own.incidents}
        query={{ state: 'open', limit: '5' }}
        empty={
          <Empty title={own.noIncidents}>
            <p>{own.noIncidentsWhy}</p>
          </Empty>
        }
      />
    </Section>
  );
}

function Keys() {
  const own = useTexts(texts);
  const query = useRead('GET /v1/keys', {});
  return (
    <Section title={own.keys}>
      <Shown query={query}>
        {({ keys }) => {
          const living = keys.filter(({ state }) => state !== 'retired').slice(0, 6);
          if (living.length === 0)
            return (
              <Empty title={own.noKeys}>
                <p>{own.noKeysWhy}</p>
              </Empty>
            );
          return (
            <ul class="rows" aria-label={own.keys}>
              {living.map((key) => (
                <KeyRow key={key.kid} of={key} />
              ))}
            </ul>
          );
        }}
      </Shown>
    </Section>
  );
}

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const can = useCan();
  const { left_out: leftOut } = useSession();
  const hasDashboard = can('monitoring:read') && !leftOut.includes('monitoring');
  const hasNothing = !hasDashboard && !['incidents:read', 'keys:read'].some(can);
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      {hasNothing ? (
        <Empty title={own.nothing}>
          <p>{own.nothingWhy}</p>
        </Empty>
      ) : null}
      {hasDashboard ? <Dashboard /> : null}
      <div class="grid">
        {can('incidents:read') ? <Incidents /> : null}
        {can('keys:read') ? <Keys /> : null}
      </div>
    </div>
  );
}
