import { useLocation } from 'preact-iso';
import { type Answer, call, usePages } from '../../data/api.ts';
import { useCan } from '../../data/session.tsx';
import { ActButton } from '../../parts/act.tsx';
import { commandLine } from '../../parts/copy.tsx';
import { addressWith, Filter } from '../../parts/filter.tsx';
import { Badge, Foreign, Labels, Time, type Tone, useNumber } from '../../parts/format.tsx';
import { PagedList, Row } from '../../parts/page.tsx';
import { Severity } from '../../parts/severity.tsx';
import { Empty } from '../../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../../texts/languages.ts';
import { NewSilence } from './new-silence.tsx';

const texts = inLanguages({
  en: {
    alerts: 'Alerts',
    state: 'State',
    every: 'Any state',
    firing: 'Firing',
    acknowledged: 'Acknowledged',
    resolved: 'Resolved',
    source: 'Source',
    everySource: 'Any source',
    incident: 'Incidents',
    control: 'Controls',
    alertmanager: 'Alertmanager',
    oversight: 'Oversight',
    none: 'No alert yet',
    noneWhy: 'An alert appears here by itself when an incident opens, a control fails or Alertmanager reports one.',
    toTargets: 'Say who is notified',
    noMatch: 'No alert matches',
    noMatchWhy: 'Choose another state or source.',
    times: 'reported {count}×',
    raised: 'raised',
    ended: 'resolved',
    by: 'acknowledged by',
    acknowledge: 'Acknowledge',
    acknowledgeTitle: 'Acknowledge {name}',
    acknowledgeLead:
      'Tells others that you are looking into it. Targets that were not notified of it yet are not notified.',
    resolve: 'Resolve',
    resolveTitle: 'Resolve {name}',
    resolveLead:
      'For an alert whose source does not resolve it. Targets that were notified of it are notified of its end.',
    labels: 'Its labels',
  },
  de: {
    alerts: 'Alarme',
    state: 'Zustand',
    every: 'Jeder Zustand',
    firing: 'Aktiv',
    acknowledged: 'Übernommen',
    resolved: 'Behoben',
    source: 'Quelle',
    everySource: 'Jede Quelle',
    incident: 'Vorfälle',
    control: 'Kontrollen',
    alertmanager: 'Alertmanager',
    oversight: 'Aufsicht',
    none: 'Noch kein Alarm',
    noneWhy:
      'Ein Alarm erscheint hier von selbst, wenn ein Vorfall entsteht, eine Kontrolle scheitert oder Alertmanager einen meldet.',
    toTargets: 'Sagen, wer davon erfährt',
    noMatch: 'Kein Alarm passt',
    noMatchWhy: 'Wählen Sie einen anderen Zustand oder eine andere Quelle.',
    times: '{count}× gemeldet',
    raised: 'ausgelöst',
    ended: 'behoben',
    by: 'übernommen von',
    acknowledge: 'Übernehmen',
    acknowledgeTitle: '{name} übernehmen',
    acknowledgeLead:
      'Andere sehen, dass Sie ihn untersuchen. Ziele, die noch nicht davon erfuhren, erfahren nicht mehr davon.',
    resolve: 'Beheben',
    resolveTitle: '{name} als behoben melden',
    resolveLead:
      'Für einen Alarm, den seine Quelle nicht beendet. Ziele, die ihn bekamen, erfahren, dass er beendet ist.',
    labels: 'Seine Labels',
  },
});

type Alert = Answer<'GET /v1/admin/alerts'>['alerts'][number];
const STATES = ['firing', 'acknowledged', 'resolved'] as const satisfies readonly Alert['state'][];
const SOURCES = ['incident', 'control', 'alertmanager', 'oversight'] as const satisfies readonly Alert['source'][];
const tones = { firing: 'bad', acknowledged: 'accent', resolved: 'good' } as const satisfies Record<
  Alert['state'],
  Tone
>;

function Acts({ alert }: { readonly alert: Alert }) {
  const own = useTexts(texts);
  const path = { alert_id: alert.alert_id };
  const { name } = alert;
  const blast = (
    <>
      {own.labels}: <Labels of={Object.entries(alert.labels).map((pair) => pair.join('='))} />
    </>
  );
  return (
    <>
      {alert.state === 'firing' ? (
        <ActButton
          act={{
            title: fill(own.acknowledgeTitle, { name }),
            lead: own.acknowledgeLead,
            verb: own.acknowledge,
            blast,
            command: (reason) => commandLine('alerts', 'acknowledge', alert.alert_id, '--reason', reason),
            run: (reason) => call('POST /v1/admin/alerts/{alert_id}/acknowledge', { path, body: { reason } }),
          }}
        >
          {own.acknowledge}
        </ActButton>
      ) : null}
      <ActButton
        act={{
          title: fill(own.resolveTitle, { name }),
          lead: own.resolveLead,
          verb: own.resolve,
          blast,
          command: (reason) => commandLine('alerts', 'resolve', alert.alert_id, '--reason', reason),
          run: (reason) => call('POST /v1/admin/alerts/{alert_id}/resolve', { path, body: { reason } }),
        }}
      >
        {own.resolve}
      </ActButton>
      <NewSilence matchers={[`source=${alert.source}`, `name=${alert.name}`]} />
    </>
  );
}

/** Alerts, newest first. */
export function Raised() {
  const own = useTexts(texts);
  const can = useCan();
  const number = useNumber();
  const { query, route } = useLocation();
  const state = STATES.find((name) => name === query.state);
  const source = SOURCES.find((name) => name === query.source);
  const go = (chosen: Readonly<Record<string, string>>): void => {
    route(addressWith('/console/alerts', { state: state ?? '', source: source ?? '', ...chosen }), true);
  };
  const pages = usePages('GET /v1/admin/alerts', {
    limit: 50,
    ...(state === undefined ? {} : { state }),
    ...(source === undefined ? {} : { source }),
  });
  return (
    <>
      <search class="toolbar">
        <Filter
          label={own.state}
          every={own.every}
          value={state ?? ''}
          options={STATES.map((name) => [name, own[name]] as const)}
          onChange={(state) => go({ state })}
        />
        <Filter
          label={own.source}
          every={own.everySource}
          value={source ?? ''}
          options={SOURCES.map((name) => [name, own[name]] as const)}
          onChange={(source) => go({ source })}
        />
      </search>
      <div>
        <PagedList
          label={own.alerts}
          pages={pages}
          itemsOf={(page) => page.alerts}
          empty={
            state === undefined && source === undefined ? (
              <Empty title={own.none}>
                <p>{own.noneWhy}</p>
                <p>
                  <a href="/console/alerts?show=targets">{own.toTargets}</a>
                </p>
              </Empty>
            ) : (
              <Empty title={own.noMatch}>
                <p>{own.noMatchWhy}</p>
              </Empty>
            )
          }
        >
          {(alert: Alert) => (
            <Row
              key={alert.alert_id}
              title={<Foreign>{alert.summary}</Foreign>}
              meta={
                <>
                  <span>{own[alert.source]}</span>
                  <Foreign>{alert.name}</Foreign>
                  {alert.count === 1 ? null : <span>{fill(own.times, { count: number(alert.count) })}</span>}
                  <span>
                    {own.raised} <Time at={alert.raised_at} />
                  </span>
                  {alert.acknowledged_by === null ? null : (
                    <span>
                      {own.by} <Foreign>{alert.acknowledged_by}</Foreign>
                    </span>
                  )}
                  {alert.resolved_at === null ? null : (
                    <span>
                      {own.ended} <Time at={alert.resolved_at} />
                    </span>
                  )}
                </>
              }
              side={
                <>
                  <Severity of={alert.severity} />
                  <Badge tone={tones[alert.state]}>{own[alert.state]}</Badge>
                  {can('alerts:manage') && alert.state !== 'resolved' ? <Acts alert={alert} /> : null}
                </>
              }
            />
          )}
        </PagedList>
      </div>
    </>
  );
}
