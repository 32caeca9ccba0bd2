import { useLocation } from 'preact-iso';
import { type Answer, useRead } from '../data/api.ts';
import { Badge, Time, useDuration, useNumber, When } from '../parts/format.tsx';
import { PageHead, type PageProps, Row } from '../parts/page.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { Views } from '../parts/views.tsx';
import { type Place, placeOf } from '../places.ts';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Work outside requests: what waits, what runs on a schedule, and what failed for good',
    which: 'Which view',
    queues: 'Queues',
    schedule: 'Schedule',
    noQueues: 'No queue has reported yet',
    noSchedules: 'No worker has declared its schedule yet',
    noSchedulesWhy: 'Start a worker: npm start, or the worker of your deployment.',
    waiting: '{count} waiting',
    active: '{count} running',
    delayed: '{count} delayed',
    oldest: 'oldest waits {duration}',
    deadCount: '{count} dead',
    every: 'interval: {duration}',
    succeeded: 'succeeded',
    next: 'next run',
    due: 'was due',
    stale: 'Stale',
    staleWhy: 'These jobs have not succeeded in time: {jobs}',
    late: 'Late',
    failed: 'Failed',
    inTime: 'In time',
    never: 'has not succeeded yet',
  },
  de: {
    lead: 'Arbeit außerhalb von Anfragen: was wartet, was nach Zeitplan läuft und was endgültig gescheitert ist',
    which: 'Welche Ansicht',
    queues: 'Warteschlangen',
    schedule: 'Zeitplan',
    noQueues: 'Noch keine Warteschlange hat sich gemeldet',
    noSchedules: 'Noch kein Worker hat seinen Zeitplan gemeldet',
    noSchedulesWhy: 'Starten Sie einen Worker: npm start, oder den Worker Ihres Deployments.',
    waiting: '{count} warten',
    active: '{count} laufen',
    delayed: '{count} verzögert',
    oldest: 'der älteste wartet {duration}',
    deadCount: '{count} gescheitert',
    every: 'Abstand: {duration}',
    succeeded: 'gelungen',
    next: 'nächster Lauf',
    due: 'war fällig',
    stale: 'Überfällig',
    staleWhy: 'Diese Jobs sind nicht rechtzeitig gelungen: {jobs}',
    late: 'Verspätet',
    failed: 'Gescheitert',
    inTime: 'Pünktlich',
    never: 'ist noch nie gelungen',
  },
});

const TABS = ['queues', 'schedule'] as const;
const REFRESH_MS = 5_000;
type State = Answer<'GET /v1/admin/job-queues'>;

function Queues({ queues }: Pick<State, 'queues'>) {
  const own = useTexts(texts);
  const number = useNumber();
  const duration = useDuration();
  if (queues.length === 0)
    return (
      <Empty title={own.noQueues}>
        <p>{own.noSchedulesWhy}</p>
      </Empty>
    );
  return (
    <ul class="rows" aria-label={own.queues}>
      {queues.map((queue) => (
        <Row
          key={queue.name}
          {...(queue.dead === 0 ? {} : { href: `/console/dead-letters?queue=${queue.name}` })}
          title={queue.name}
          meta={
            <>
              <span>{fill(own.waiting, { count: number(queue.waiting) })}</span>
              <span>{fill(own.active, { count: number(queue.active) })}</span>
              {queue.delayed === 0 ? null : <span>{fill(own.delayed, { count: number(queue.delayed) })}</span>}
              {queue.waiting === 0 ? null : (
                <span>{fill(own.oldest, { duration: duration(queue.oldest_age_seconds) })}</span>
              )}
            </>
          }
          side={
            queue.dead === 0 ? null : <Badge tone="bad">{fill(own.deadCount, { count: number(queue.dead) })}</Badge>
          }
        />
      ))}
    </ul>
  );
}

type Schedule = State['schedules'][number];
const worst = ({ stale, late, last_outcome: outcome }: Schedule) =>
  stale
    ? (['stale', 'bad'] as const)
    : outcome === 'dead'
      ? (['failed', 'bad'] as const)
      : late
        ? (['late', 'warn'] as const)
        : (['inTime', 'good'] as const);

function Schedules({ schedules }: Pick<State, 'schedules'>) {
  const own = useTexts(texts);
  const duration = useDuration();
  if (schedules.length === 0)
    return (
      <Empty title={own.noSchedules}>
        <p>{own.noSchedulesWhy}</p>
      </Empty>
    );
  return (
    <ul class="rows" aria-label={own.schedule}>
      {schedules.map((schedule) => {
        const [state, tone] = worst(schedule);
        return (
          <Row
            key={schedule.job}
            title={schedule.job}
            meta={
              <>
                {schedule.meaning === '' ? null : <span lang="en">{schedule.meaning}</span>}
                <span>{fill(own.every, { duration: duration(schedule.every_seconds) })}</span>
                <span>
                  {schedule.last_succeeded_at === null ? (
                    own.never
                  ) : (
                    <>
                      {own.succeeded} <Time at={schedule.last_succeeded_at} />
                    </>
                  )}
                </span>
                <When at={schedule.next_run_at} coming={own.next} past={own.due} />
              </>
            }
            side={<Badge tone={tone}>{own[state]}</Badge>}
          />
        );
      })}
    </ul>
  );
}

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const { query: asked, route } = useLocation();
  const open = TABS.find((tab) => tab === asked.show) ?? 'queues';
  const query = useRead('GET /v1/admin/job-queues', {}, { refetchInterval: REFRESH_MS });
  const stale = query.data?.schedules.filter(({ stale: isStale }) => isStale) ?? [];
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      {stale.length === 0 ? null : (
        <p class="note bad" role="status">
          {fill(own.staleWhy, { jobs: stale.map(({ job }) => job).join(', ') })}
        </p>
      )}
      <Views of={placeOf('queues') as Place} />
      <div class="toolbar">
        <fieldset class="tabs" aria-label={own.which}>
          {TABS.map((tab) => (
            <button
              key={tab}
              type="button"
              aria-pressed={tab === open}
              onClick={() => route(`/console/queues${tab === 'queues' ? '' : `?show=${tab}`}`, true)}
            >
              {own[tab]}
            </button>
          ))}
        </fieldset>
      </div>
      <div>
        <Shown query={query} lines={5}>
          {(state) => (open === 'queues' ? <Queues {...state} /> : <Schedules {...state} />)}
        </Shown>
      </div>
    </div>
  );
}
