import { type Answer, useRead } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { titles } from '../pages.ts';
import { Badge, exactTime, Foreign, Time, useDuration, useNumber } from '../parts/format.tsx';
import { KeyRow } from '../parts/key-row.tsx';
import { PageHead, Row, Section } from '../parts/page.tsx';
import { Severity } from '../parts/severity.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { fill, inLanguages, useLanguage, useTexts } from '../texts/languages.ts';
import { detectionName } from './incidents.tsx';

const texts = inLanguages({
  en: {
    lead: 'What needs attention now',
    nothing: 'Your permissions show no figures here',
    nothingWhy: 'Choose a page of the navigation: it lists what you may see.',
    tokens: 'Tokens since installation',
    issued: 'Issued',
    active: 'Active families',
    refreshed: 'Refreshed',
    revoked: 'Revoked',
    replays: 'Replays caught',
    incidents: 'Open incidents',
    noIncidents: 'No incident is open',
    noIncidentsWhy: 'Detections run on every event. A new incident appears here.',
    times: 'seen {count}×',
    queues: 'Queues',
    noWorker: 'No worker has reported yet',
    noWorkerWhy:
      'Sign-ins, tokens and queues appear here soon after a worker starts: npm start, or the worker of your deployment.',
    noQueues: 'No worker has reported its queues lately',
    noQueuesWhy: 'A running worker reports them every few seconds.',
    waiting: '{count} waiting',
    oldest: 'oldest waits {duration}',
    dead: '{count} dead',
    signIns: 'Sign-ins of the last 24 hours',
    succeeded: 'succeeded',
    failed: 'failed',
    signInsAt: '{hour}: {succeeded} succeeded, {failed} failed',
    locked: 'Locked accounts',
    openIncidents: 'Open incidents',
    revocations: 'Revocations in 24 hours',
    rate: 'Sign-in success in 24 hours',
    stalePart: 'These figures are of {time}; newer ones are overdue.',
    missingPart: 'No worker has reported these figures yet.',
    keys: 'Signing keys',
    noKeys: 'No key is in the ring',
    noKeysWhy: 'The API makes the first key when it starts.',
  },
  de: {
    lead: 'Was jetzt Aufmerksamkeit braucht',
    nothing: 'Ihre Berechtigungen zeigen hier keine Zahlen',
    nothingWhy: 'Wählen Sie eine Seite der Navigation: sie nennt, was Sie sehen dürfen.',
    tokens: 'Tokens seit der Installation',
    issued: 'Ausgestellt',
    active: 'Aktive Familien',
    refreshed: 'Erneuert',
    revoked: 'Widerrufen',
    replays: 'Erkannte Wiederholungen',
    incidents: 'Offene Vorfälle',
    noIncidents: 'Kein Vorfall ist offen',
    noIncidentsWhy: 'Erkennungen prüfen jedes Ereignis. Ein neuer Vorfall erscheint hier.',
    times: '{count}× gesehen',
    queues: 'Warteschlangen',
    noWorker: 'Noch hat kein Worker etwas gemeldet',
    noWorkerWhy:
      'Anmeldungen, Tokens und Warteschlangen erscheinen hier, kurz nachdem ein Worker gestartet ist: npm start, oder der Worker Ihres Deployments.',
    noQueues: 'Kein Worker hat zuletzt seine Warteschlangen gemeldet',
    noQueuesWhy: 'Ein laufender Worker meldet sie alle paar Sekunden.',
    waiting: '{count} warten',
    oldest: 'der älteste wartet {duration}',
    dead: '{count} gescheitert',
    signIns: 'Anmeldungen der letzten 24 Stunden',
    succeeded: 'gelungen',
    failed: 'gescheitert',
    signInsAt: '{hour}: {succeeded} gelungen, {failed} gescheitert',
    locked: 'Gesperrte Konten',
    openIncidents: 'Offene Vorfälle',
    revocations: 'Widerrufe in 24 Stunden',
    rate: 'Gelungene Anmeldungen in 24 Stunden',
    stalePart: 'Diese Zahlen sind von {time}; neuere sind überfällig.',
    missingPart: 'Noch hat kein Worker diese Zahlen gemeldet.',
    keys: 'Signaturschlüssel',
    noKeys: 'Kein Schlüssel ist im Ring',
    noKeysWhy: 'Die API legt den ersten Schlüssel an, wenn sie startet.',
  },
});

const REFRESH_MS = 15_000;

/** Token families, which the product counts twice a minute. */
function Tokens({ tokens }: { readonly tokens: Dashboard['tokens'] }) {
  const own = useTexts(texts);
  const number = useNumber();
  return (
    <section class="page" aria-labelledby="tokens">
      <h2 id="tokens">{own.tokens}</h2>
      <div class="card figures">
        {(['issued', 'refreshed', 'active', 'revoked', 'replays'] as const).map((name) => (
          <div key={name} class="figure">
            <span class="dim">{own[name]}</span>
            <strong>{number(tokens[name])}</strong>
          </div>
        ))}
      </div>
      <Freshness part={tokens} />
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
                  side={<Severity of={incident.severity} />}
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

type Dashboard = Answer<'GET /v1/admin/dashboard'>;
type Hour = Dashboard['security']['hours'][number];

/** Says how old the figures of a part are, if they are not fresh. */
function Freshness({ part }: { readonly part: { readonly state: string; readonly as_of: string | null } }) {
  const own = useTexts(texts);
  const language = useLanguage();
  if (part.state === 'fresh') return null;
  return (
    <p class="note warn" role="status">
      {part.as_of === null ? own.missingPart : fill(own.stalePart, { time: exactTime(part.as_of, language) })}
    </p>
  );
}

const BAR = 10;
const HEIGHT = 100;

/** A bar for each hour; the table of the same figures is its text for screen readers. */
function SignIns({ hours }: { readonly hours: readonly Hour[] }) {
  const own = useTexts(texts);
  const language = useLanguage();
  const most = Math.max(1, ...hours.map((hour) => hour.sign_ins_succeeded + hour.sign_ins_failed));
  const hourOf = (at: string): string => new Intl.DateTimeFormat(language, { timeStyle: 'short' }).format(new Date(at));
  const said = hours.map((hour) =>
    fill(own.signInsAt, {
      hour: hourOf(hour.hour),
      succeeded: hour.sign_ins_succeeded,
      failed: hour.sign_ins_failed,
    }),
  );
  return (
    <>
      <div class="bars">
        <svg
          viewBox={`0 0 ${hours.length * BAR} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={own.signIns}
        >
          {hours.map((hour, at) => {
            const good = (hour.sign_ins_succeeded / most) * HEIGHT;
            const bad = (hour.sign_ins_failed / most) * HEIGHT;
            return (
              <g key={hour.hour}>
                <title>{said[at]}</title>
                <rect x={at * BAR + 1} width={BAR - 2} y={HEIGHT - 1} height={1} class="base" />
                <rect x={at * BAR + 1} width={BAR - 2} y={HEIGHT - good} height={good} class="good" />
                <rect x={at * BAR + 1} width={BAR - 2} y={HEIGHT - good - bad} height={bad} class="bad" />
              </g>
            );
          })}
        </svg>
      </div>
      <div class="bars-ends dim small" aria-hidden="true">
        {[hours[0], hours[Math.floor(hours.length / 2)], hours.at(-1)].map((hour) =>
          hour === undefined ? null : <span key={hour.hour}>{hourOf(hour.hour)}</span>,
        )}
      </div>
      <ul class="hidden">
        {said.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      <p class="legend dim small">
        <span class="good-dot" aria-hidden="true" /> {own.succeeded}
        <span class="bad-dot" aria-hidden="true" /> {own.failed}
      </p>
    </>
  );
}

function Figures({ dashboard }: { readonly dashboard: Dashboard }) {
  const own = useTexts(texts);
  const number = useNumber();
  const { security } = dashboard;
  const open = Object.values(security.open_incidents).reduce((sum, count) => sum + count, 0);
  const revoked = security.hours.reduce((sum, hour) => sum + hour.revocations, 0);
  const { success_percent: rate } = security.sign_ins;
  const figures = [
    [own.openIncidents, number(open)],
    [own.rate, rate === null ? '–' : `${number(rate)} %`],
    [own.revocations, number(revoked)],
    [own.locked, security.locked_accounts === null ? '–' : number(security.locked_accounts)],
  ] as const;
  return (
    <>
      <div class="card figures">
        {figures.map(([name, value]) => (
          <div key={name} class="figure">
            <span class="dim">{name}</span>
            <strong>{value}</strong>
          </div>
        ))}
      </div>
      <Freshness part={security} />
      <div class="grid">
        <Section title={own.signIns}>
          <SignIns hours={security.hours} />
        </Section>
        <Queues dashboard={dashboard} />
      </div>
      <Tokens tokens={dashboard.tokens} />
    </>
  );
}

function Queues({ dashboard }: { readonly dashboard: Dashboard }) {
  const own = useTexts(texts);
  const number = useNumber();
  const duration = useDuration();
  const { resources } = dashboard;
  return (
    <Section title={own.queues}>
      {resources.queues.length === 0 ? (
        <Empty title={own.noQueues}>
          <p>{own.noQueuesWhy}</p>
        </Empty>
      ) : (
        <ul class="rows" aria-label={own.queues}>
          {resources.queues.map((queue) => (
            <Row
              key={queue.queue}
              title={queue.queue}
              meta={
                <>
                  <span>{fill(own.waiting, { count: number(queue.waiting) })}</span>
                  {queue.waiting === 0 ? null : (
                    <span>{fill(own.oldest, { duration: duration(queue.oldest_seconds) })}</span>
                  )}
                </>
              }
              side={queue.dead === 0 ? null : <Badge tone="bad">{fill(own.dead, { count: number(queue.dead) })}</Badge>}
            />
          ))}
        </ul>
      )}
    </Section>
  );
}

/** Whether a worker has ever reported a part of it. */
const hasReport = ({ security, tokens, resources }: Dashboard): boolean =>
  security.as_of !== null || tokens.as_of !== null || resources.queues.length > 0;

function Dashboard() {
  const own = useTexts(texts);
  const query = useRead('GET /v1/admin/dashboard', {}, { refetchInterval: REFRESH_MS });
  return (
    <Shown query={query} lines={5}>
      {(dashboard) =>
        hasReport(dashboard) ? (
          <Figures dashboard={dashboard} />
        ) : (
          <Empty title={own.noWorker}>
            <p>{own.noWorkerWhy}</p>
          </Empty>
        )
      }
    </Shown>
  );
}

export function Page() {
  const own = useTexts(texts);
  const names = useTexts(titles);
  const can = useCan();
  const hasNothing = !['monitoring:read', 'incidents:read', 'keys:read'].some(can);
  return (
    <div class="page">
      <PageHead title={names.overview} lead={own.lead} />
      {hasNothing ? (
        <Empty title={own.nothing}>
          <p>{own.nothingWhy}</p>
        </Empty>
      ) : null}
      {can('monitoring:read') ? <Dashboard /> : null}
      <div class="grid">
        {can('incidents:read') ? <Incidents /> : null}
        {can('keys:read') ? <Keys /> : null}
      </div>
    </div>
  );
}
