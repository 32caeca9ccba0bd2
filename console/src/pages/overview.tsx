import { useCan, useSession } from '../data/session.tsx';
import { Listed } from '../fold/list.tsx';
import { PageHead, type PageProps, Section } from '../parts/page.tsx';
import { Empty } from '../parts/states.tsx';
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
  },
  de: {
    lead: 'Was jetzt Aufmerksamkeit braucht',
    nothing: 'Ihre Berechtigungen zeigen hier keine Zahlen',
    nothingWhy: 'Wählen Sie eine Seite der Navigation: sie nennt, was Sie sehen dürfen.',
    incidents: 'Offene Vorfälle',
    noIncidents: 'Kein Vorfall ist offen',
    noIncidentsWhy: 'Erkennungen prüfen jedes Ereignis. Ein neuer Vorfall erscheint hier.',
    keys: 'Signaturschlüssel',
  },
});

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const can = useCan();
  const { left_out: leftOut } = useSession();
  const hasDashboard = can('monitoring:read') && !leftOut.includes('monitoring');
  const hasNothing = !hasDashboard && !['incidents:read', 'keys:read'].some(can);
  const noIncidents = (
    <Empty title={own.noIncidents}>
      <p>{own.noIncidentsWhy}</p>
    </Empty>
  );
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
        {can('incidents:read') ? (
          <Section title={own.incidents}>
            <Listed label={own.incidents} of="incidents" by={{ state: 'open', limit: '5' }} empty={noIncidents} />
          </Section>
        ) : null}
        {can('keys:read') ? (
          <Section title={own.keys}>
            <Listed label={own.keys} of="keys" only={({ state }) => state !== 'retired'} />
          </Section>
        ) : null}
      </div>
    </div>
  );
}
