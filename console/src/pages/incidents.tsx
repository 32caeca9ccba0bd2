import { useLocation } from 'preact-iso';
import { type Answer, usePages } from '../data/api.ts';
import { addressWith, Filter } from '../parts/filter.tsx';
import { Badge, Foreign, Time, type Tone } from '../parts/format.tsx';
import { PagedList, PageHead, type PageProps, Row } from '../parts/page.tsx';
import { Severity, severityNames } from '../parts/severity.tsx';
import { Empty } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Signs of an attack, and what was done at once',
    state: 'State',
    every: 'Any state',
    severity: 'Severity',
    everySeverity: 'Any severity',
    none: 'No incident yet',
    noneWhy: 'Detections run on every sealed event. A new incident appears here by itself.',
    noMatch: 'No incident matches',
    noMatchWhy: 'Choose another state or severity.',
    times: 'seen {count}×',
  },
  de: {
    lead: 'Anzeichen eines Angriffs, und was sofort geschah',
    state: 'Zustand',
    every: 'Jeder Zustand',
    severity: 'Schwere',
    everySeverity: 'Jede Schwere',
    none: 'Noch kein Vorfall',
    noneWhy: 'Erkennungen prüfen jedes versiegelte Ereignis. Ein neuer Vorfall erscheint hier von selbst.',
    noMatch: 'Kein Vorfall passt',
    noMatchWhy: 'Wählen Sie einen anderen Zustand oder eine andere Schwere.',
    times: '{count}× gesehen',
  },
});

/** Names of the states of incidents. */
export const incidentStates = inLanguages({
  en: { open: 'Open', acknowledged: 'Acknowledged', closed: 'Closed' },
  de: { open: 'Offen', acknowledged: 'Übernommen', closed: 'Geschlossen' },
});

export type Incident = Answer<'GET /v1/admin/incidents'>['incidents'][number];
export const stateTone = { open: 'bad', acknowledged: 'accent', closed: 'good' } as const satisfies Record<
  Incident['state'],
  Tone
>;
/** `password_spraying` → `Password spraying` */
export const detectionName = (name: string): string =>
  name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ');

const STATES = ['open', 'acknowledged', 'closed'] as const;
const SEVERITIES = ['critical', 'high', 'medium', 'low'] as const;

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const states = useTexts(incidentStates);
  const severities = useTexts(severityNames);
  const { query, route } = useLocation();
  const { state = '', severity = '' } = query;
  const isFiltered = state !== '' || severity !== '';
  const go = (chosen: Record<string, string>): void => {
    route(addressWith('/console/incidents', { state, severity, ...chosen }), true);
  };
  const pages = usePages('GET /v1/admin/incidents', {
    limit: 50,
    ...(state === '' ? {} : { state }),
    ...(severity === '' ? {} : { severity }),
  });
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      <search class="toolbar">
        <Filter
          label={own.state}
          every={own.every}
          value={state}
          options={STATES.map((name) => [name, states[name]] as const)}
          onChange={(state) => go({ state })}
        />
        <Filter
          label={own.severity}
          every={own.everySeverity}
          value={severity}
          options={SEVERITIES.map((name) => [name, severities[name]] as const)}
          onChange={(severity) => go({ severity })}
        />
      </search>
      <div>
        <PagedList
          label={title}
          pages={pages}
          itemsOf={(page) => page.incidents}
          empty={
            <Empty title={isFiltered ? own.noMatch : own.none}>
              <p>{isFiltered ? own.noMatchWhy : own.noneWhy}</p>
            </Empty>
          }
        >
          {(incident: Incident) => (
            <Row
              key={incident.incident_id}
              href={`/console/incidents/${incident.incident_id}`}
              title={detectionName(incident.detection)}
              meta={
                <>
                  <span>
                    {incident.subject.kind} <Foreign>{incident.subject.id}</Foreign>
                  </span>
                  <span>{fill(own.times, { count: incident.count })}</span>
                  <Time at={incident.last_seen_at} />
                </>
              }
              side={
                <>
                  <Severity of={incident.severity} />
                  <Badge tone={stateTone[incident.state]}>{states[incident.state]}</Badge>
                </>
              }
            />
          )}
        </PagedList>
      </div>
    </div>
  );
}
