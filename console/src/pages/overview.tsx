import { useRead } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { titles } from '../pages.ts';
import { Badge, Foreign, Time, type Tone, useNumber } from '../parts/format.tsx';
import { PageHead, Row, Section } from '../parts/page.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';
import { detectionName, severityTone } from './incidents.tsx';

const texts = inLanguages({
  en: {
    lead: 'What needs attention now',
    tokens: 'Tokens since the start of this installation',
    issued: 'Issued',
    active: 'Active families',
    refreshed: 'Refreshed',
    revoked: 'Revoked',
    replays: 'Replays caught',
    incidents: 'Open incidents',
    noIncidents: 'No incident is open',
    noIncidentsWhy: 'Detections run on every event. A new incident appears here.',
    times: 'seen {count} times',
    keys: 'Signing keys',
    noKeys: 'No key is in the ring',
    until: 'signs until',
    from: 'signs',
  },
  de: {
    lead: 'Was jetzt Aufmerksamkeit braucht',
    tokens: 'Tokens seit Beginn dieser Installation',
    issued: 'Ausgestellt',
    active: 'Aktive Familien',
    refreshed: 'Erneuert',
    revoked: 'Widerrufen',
    replays: 'Erkannte Wiederholungen',
    incidents: 'Offene Vorfälle',
    noIncidents: 'Kein Vorfall ist offen',
    noIncidentsWhy: 'Erkennungen prüfen jedes Ereignis. Ein neuer Vorfall erscheint hier.',
    times: '{count}-mal gesehen',
    keys: 'Signaturschlüssel',
    noKeys: 'Kein Schlüssel ist im Ring',
    until: 'signiert bis',
    from: 'signiert',
  },
});

const keyTone = {
  pending: 'accent',
  active: 'good',
  retiring: 'warn',
  retired: 'plain',
  compromised: 'bad',
} as const satisfies Record<string, Tone>;

const REFRESH_MS = 15_000;

function Tokens() {
  const own = useTexts(texts);
  const number = useNumber();
  const query = useRead('GET /v1/tokens/stats', {}, { refetchInterval: REFRESH_MS });
  return (
    <section class="page" aria-label={own.tokens}>
      <Shown query={query} lines={2}>
        {(stats) => (
          <div class="card figures">
            {(['issued', 'refreshed', 'active', 'revoked', 'replays'] as const).map((name) => (
              <div key={name} class="figure">
                <span class="dim">{own[name]}</span>
                <strong>{number(stats[name])}</strong>
              </div>
            ))}
          </div>
        )}
      </Shown>
    </section>
  );
}

function Incidents() {
  const own = useTexts(texts);
  const query = useRead(
    'GET /v1/admin/incidents',
    { query: { state: 'open', limit: 5 } },
    { refetchInterval: REFRESH_MS },
  );
  return (
    <Section title={own.incidents}>
      <Shown query={query}>
        {({ incidents }) =>
          incidents.length === 0 ? (
            <Empty title={own.noIncidents}>
              <p>{own.noIncidentsWhy}</p>
            </Empty>
          ) : (
            <ul class="rows" aria-label={own.incidents}>
              {incidents.map((incident) => (
                <Row
                  key={incident.incident_id}
                  href={`/console/incidents/${incident.incident_id}`}
                  title={detectionName(incident.detection)}
                  meta={
                    <>
                      <Foreign>{`${incident.subject.kind} ${incident.subject.id}`}</Foreign>
                      <span>{fill(own.times, { count: incident.count })}</span>
                      <Time at={incident.last_seen_at} />
                    </>
                  }
                  side={<Badge tone={severityTone[incident.severity]}>{incident.severity}</Badge>}
                />
              ))}
            </ul>
          )
        }
      </Shown>
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
          if (living.length === 0) return <Empty title={own.noKeys} />;
          return (
            <ul class="rows" aria-label={own.keys}>
              {living.map((key) => (
                <Row
                  key={key.kid}
                  title={<code>{key.kid}</code>}
                  meta={
                    <>
                      <span>{`${key.purpose} · ${key.alg}`}</span>
                      <span>
                        {key.signs_until === null ? own.from : own.until}{' '}
                        <Time at={key.signs_until ?? key.activates_at} />
                      </span>
                    </>
                  }
                  side={<Badge tone={keyTone[key.state]}>{key.state}</Badge>}
                />
              ))}
            </ul>
          );
        }}
      </Shown>
    </Section>
  );
}

export function Page() {
  const own = useTexts(texts);
  const names = useTexts(titles);
  const can = useCan();
  return (
    <div class="page">
      <PageHead title={names.overview} lead={own.lead} />
      {can('tokens:read') ? <Tokens /> : null}
      <div class="grid">
        {can('incidents:read') ? <Incidents /> : null}
        {can('keys:read') ? <Keys /> : null}
      </div>
    </div>
  );
}
