import { type Answer, useRead } from '../../data/api.ts';
import { Badge, exactTime, useDuration, useNumber } from '../../parts/format.tsx';
import { Row, Section } from '../../parts/page.tsx';
import { Empty, Shown } from '../../parts/states.tsx';
import { fill, inLanguages, useLanguage, useTexts } from '../../texts/languages.ts';
import { SignIns } from './sign-ins.tsx';

const texts = inLanguages({
  en: {
    tokens: 'Tokens since installation',
    issued: 'Issued',
    active: 'Active families',
    refreshed: 'Refreshed',
    revoked: 'Revoked',
    replays: 'Replays caught',
    noWorker: 'No worker has reported yet',
    noWorkerWhy:
      'Sign-ins, tokens and queues appear here soon after a worker starts: npm start, or the worker of your deployment.',
    noQueues: 'No worker has reported its queues lately',
    noQueuesWhy: 'A running worker reports them every few seconds.',
    queues: 'Queues',
    waiting: '{count} waiting',
    oldest: 'oldest waits {duration}',
    dead: '{count} dead',
    locked: 'Locked accounts',
    openIncidents: 'Open incidents',
    revocations: 'Revocations in 24 hours',
    rate: 'Sign-in success in 24 hours',
    stalePart: 'These figures are of {time}; newer ones are overdue.',
    missingPart: 'No worker has reported these figures yet.',
  },
  de: {
    tokens: 'Tokens seit der Installation',
    issued: 'Ausgestellt',
    active: 'Aktive Familien',
    refreshed: 'Erneuert',
    revoked: 'Widerrufen',
    replays: 'Erkannte Wiederholungen',
    noWorker: 'Noch hat kein Worker etwas gemeldet',
    noWorkerWhy:
      'Anmeldungen, Tokens und Warteschlangen erscheinen hier, kurz nachdem ein Worker gestartet ist: npm start, oder der Worker Ihres Deployments.',
    noQueues: 'Kein Worker hat zuletzt seine Warteschlangen gemeldet',
    noQueuesWhy: 'Ein laufender Worker meldet sie alle paar Sekunden.',
    queues: 'Warteschlangen',
    waiting: '{count} warten',
    oldest: 'der älteste wartet {duration}',
    dead: '{count} gescheitert',
    locked: 'Gesperrte Konten',
    openIncidents: 'Offene Vorfälle',
    revocations: 'Widerrufe in 24 Stunden',
    rate: 'Gelungene Anmeldungen in 24 Stunden',
    stalePart: 'Diese Zahlen sind von {time}; neuere sind überfällig.',
    missingPart: 'Noch hat kein Worker diese Zahlen gemeldet.',
  },
});

type Dashboard = Answer<'GET /v1/admin/dashboard'>;

const REFRESH_MS = 15_000;

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

/** Token families, which the product counts twice a minute. */
function Tokens({ tokens }: { readonly tokens: Dashboard['tokens'] }) {
  const own = useTexts(texts);
  const number = useNumber();
  return (
    <section class="page" aria-labelledby="tokens">
      <h2 id="tokens">{own.tokens}</h2>
      <Freshness part={tokens} />
      <div class="card figures">
        {(['issued', 'refreshed', 'active', 'revoked', 'replays'] as const).map((name) => (
          <div key={name} class="figure">
            <span class="dim">{own[name]}</span>
            <strong>{number(tokens[name])}</strong>
          </div>
        ))}
      </div>
    </section>
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
      <Freshness part={security} />
      <div class="card figures">
        {figures.map(([name, value]) => (
          <div key={name} class="figure">
            <span class="dim">{name}</span>
            <strong>{value}</strong>
          </div>
        ))}
      </div>
      <div class="grid">
        <SignIns hours={security.hours} />
        <Queues dashboard={dashboard} />
      </div>
      <Tokens tokens={dashboard.tokens} />
    </>
  );
}

/** Whether a worker has ever reported a part of it. */
const hasReport = ({ security, tokens, resources }: Dashboard): boolean =>
  security.as_of !== null || tokens.as_of !== null || resources.queues.length > 0;

/** What the workers have counted. */
export function Dashboard() {
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
