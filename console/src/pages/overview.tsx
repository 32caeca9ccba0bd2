import { useRead } from '../data/api.ts';
import { useCan, useSession } from '../data/session.tsx';
import type { Item } from '../fold/operation.ts';
import { Listed, useNeeds } from '../fold/rows.tsx';
import { PageHead, type PageProps, Section } from '../parts/page.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { hrefOf, type Place, placeOf, titleOf } from '../places.ts';
import { inLanguages, useLanguage, useTexts } from '../texts/languages.ts';
import { Figures } from './overview/figures.tsx';
import { FirstSteps } from './overview/first-steps.tsx';

const texts = inLanguages({
  en: {
    lead: 'What needs attention now',
    nothing: 'Your permissions show no figures here',
    nothingWhy: 'Choose a page of the navigation: it lists what you may see.',
    well: 'All is well:',
    otherwise: 'Everything else is well:',
    noWorker: 'No worker has reported yet',
    noWorkerWhy: 'Figures appear here soon after a worker starts: npm start, or the worker of your deployment.',
  },
  de: {
    lead: 'Was jetzt Aufmerksamkeit braucht',
    nothing: 'Ihre Berechtigungen zeigen hier keine Zahlen',
    nothingWhy: 'Wählen Sie eine Seite der Navigation: sie nennt, was Sie sehen dürfen.',
    well: 'Alles ist in Ordnung:',
    otherwise: 'Alles andere ist in Ordnung:',
    noWorker: 'Noch hat kein Worker etwas gemeldet',
    noWorkerWhy: 'Zahlen erscheinen hier, sobald ein Worker läuft: npm start, oder der Worker Ihres Deployments.',
  },
});

const DAY_MS = 86_400_000;

/** Lists, and which of their items need attention. The worst come first. */
const AREAS = [
  { of: 'incidents', by: { state: 'open', limit: '5' } },
  { of: 'compliance-controls', only: ({ status }: Item) => status === 'fail' || status === 'error' },
  { of: 'job-queues', only: ({ dead }: Item) => Number(dead) > 0 },
  { of: 'job-queues.schedules', only: ({ stale }: Item) => stale === true },
  { of: 'keys', only: ({ compromised_at: at }: Item) => at !== null && Date.now() - Date.parse(String(at)) < DAY_MS },
];

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const language = useLanguage();
  const can = useCan();
  const { left_out: leftOut } = useSession();
  const enabled = can('monitoring:read') && !leftOut.includes('monitoring');
  const dashboard = useRead('GET /v1/admin/dashboard', {}, { enabled, refetchInterval: 15_000 });
  const areas = AREAS.map((list) => ({ list, ...useNeeds(list) }));
  const bad = areas.filter(({ isBad }) => isBad);
  const { state, delay_seconds: delay } = dashboard.data?.security ?? {};
  const log = { place: placeOf('audit') as Place, isWell: can('audit:read') && (delay ?? 60) < 60 };
  // New events get their place in the log within seconds. Without a worker nothing is checked, and nothing known to be well.
  const well = [...areas, log].filter(({ isWell }) => isWell && enabled && state === 'fresh');
  const links = well.map(({ place }, at) => [
    at === 0 ? ' ' : ', ',
    <a key={place.name} href={hrefOf(place)}>
      {titleOf(place, language)}
    </a>,
  ]);
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      {bad.map(({ list, place }) => (
        <Section key={list.of} title={titleOf(place, language)}>
          <Listed {...list} label={titleOf(place, language)} empty={null} />
        </Section>
      ))}
      <FirstSteps />
      {links.length === 0 ? null : (
        <p class="note good">
          {bad.length === 0 ? own.well : own.otherwise}
          {links}
        </p>
      )}
      {enabled ? (
        <Shown query={dashboard} lines={5}>
          {(data) =>
            data.security.as_of === null && data.tokens.as_of === null && data.resources.queues.length === 0 ? (
              <Empty title={own.noWorker}>
                <p>{own.noWorkerWhy}</p>
              </Empty>
            ) : (
              <Figures of={data} />
            )
          }
        </Shown>
      ) : null}
      {enabled || areas.some(({ isOpen }) => isOpen) ? null : (
        <Empty title={own.nothing}>
          <p>{own.nothingWhy}</p>
        </Empty>
      )}
    </div>
  );
}
