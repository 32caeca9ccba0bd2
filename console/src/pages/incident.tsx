import { call, useRead } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { ActButton } from '../parts/act.tsx';
import { CopyId, commandLine } from '../parts/copy.tsx';
import { Badge, Foreign, Id, Time } from '../parts/format.tsx';
import { Json } from '../parts/json.tsx';
import { Facts, PageHead, type PageProps, Section } from '../parts/page.tsx';
import { Severity } from '../parts/severity.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { actionNames, effectTexts, seenTexts, undoTexts } from '../texts/detections.ts';
import { inLanguages, useTexts } from '../texts/languages.ts';
import { detectionName, type Incident, incidentStates, stateTone } from './incidents.tsx';

const texts = inLanguages({
  en: {
    what: 'What was seen',
    subject: 'Subject',
    count: 'Sightings',
    first: 'First seen',
    last: 'Last seen',
    event: 'Last event',
    done: 'What was done at once',
    nothing: 'Nothing was done automatically',
    nothingWhy: 'This detection only reports, or it did not know what to act on.',
    undo: 'Undo:',
    openPerson: 'Open the person',
    detail: 'Detail',
    changed: 'Changed by',
    reason: 'Reason',
    acknowledge: 'Acknowledge',
    acknowledgeTitle: 'Acknowledge this incident',
    acknowledgeLead: 'Tells others that you are looking into it. Further sightings are added to it.',
    close: 'Close',
    closeTitle: 'Close this incident',
    closeLead: 'The next sighting raises a new incident.',
    all: 'Incidents',
  },
  de: {
    what: 'Was gesehen wurde',
    subject: 'Betrifft',
    count: 'Sichtungen',
    first: 'Zuerst gesehen',
    last: 'Zuletzt gesehen',
    event: 'Letztes Ereignis',
    done: 'Was sofort geschah',
    nothing: 'Nichts geschah automatisch',
    nothingWhy: 'Diese Erkennung meldet nur, oder worauf sie gewirkt hätte, war nicht bekannt.',
    undo: 'Rückgängig:',
    openPerson: 'Person öffnen',
    detail: 'Einzelheiten',
    changed: 'Geändert von',
    reason: 'Grund',
    acknowledge: 'Übernehmen',
    acknowledgeTitle: 'Diesen Vorfall übernehmen',
    acknowledgeLead: 'Andere sehen, dass Sie ihn untersuchen. Weitere Sichtungen kommen hinzu.',
    close: 'Schließen',
    closeTitle: 'Diesen Vorfall schließen',
    closeLead: 'Die nächste Sichtung meldet einen neuen Vorfall.',
    all: 'Vorfälle',
  },
});

function Acts({ incident }: { readonly incident: Incident }) {
  const own = useTexts(texts);
  const can = useCan();
  if (!can('incidents:manage') || incident.state === 'closed') return null;
  const path = { incident_id: incident.incident_id };
  return (
    <>
      {incident.state === 'open' ? (
        <ActButton
          act={{
            title: own.acknowledgeTitle,
            lead: own.acknowledgeLead,
            verb: own.acknowledge,
            command: (reason) => commandLine('incidents', 'acknowledge', incident.incident_id, '--reason', reason),
            run: (reason) => call('POST /v1/admin/incidents/{incident_id}/acknowledge', { path, body: { reason } }),
          }}
        >
          {own.acknowledge}
        </ActButton>
      ) : null}
      <ActButton
        act={{
          title: own.closeTitle,
          lead: own.closeLead,
          verb: own.close,
          command: (reason) => commandLine('incidents', 'close', incident.incident_id, '--reason', reason),
          run: (reason) => call('POST /v1/admin/incidents/{incident_id}/close', { path, body: { reason } }),
        }}
      >
        {own.close}
      </ActButton>
    </>
  );
}

/** A text by a name that a newer or older release may have given. */
const byName = (texts: Readonly<Record<string, string>>, name: string): string | undefined => texts[name];

function Actions({ incident }: { readonly incident: Incident }) {
  const own = useTexts(texts);
  const names = useTexts(actionNames);
  const effects = useTexts(effectTexts);
  const undoing = useTexts(undoTexts);
  const can = useCan();
  if (incident.actions.length === 0)
    return (
      <Empty title={own.nothing}>
        <p>{own.nothingWhy}</p>
      </Empty>
    );
  return (
    <>
      <ul class="steps" aria-label={own.done}>
        {incident.actions.map((action) => (
          <li key={action}>
            <strong>{byName(names, action) ?? detectionName(action)}</strong>
            <p>{byName(effects, action)}</p>
            <p class="dim">
              {own.undo} {byName(undoing, action)}
            </p>
          </li>
        ))}
      </ul>
      {incident.subject.kind === 'user' && can('users:read') ? (
        <p>
          <a href={`/console/people/${encodeURIComponent(incident.subject.id)}`}>{own.openPerson}</a>
        </p>
      ) : null}
    </>
  );
}

/** An event of the sealed log. */
function Sealed({ seq }: { readonly seq: number }) {
  const can = useCan();
  return can('audit:read') ? <a href={`/console/audit/${seq}`}>{String(seq)}</a> : <span>{String(seq)}</span>;
}

export function Page({ params, title }: PageProps) {
  const own = useTexts(texts);
  const seen = useTexts(seenTexts);
  const states = useTexts(incidentStates);
  const query = useRead('GET /v1/admin/incidents/{incident_id}', { path: { incident_id: params.id ?? '' } });
  const found = query.data;
  return (
    <div class="page">
      <p class="crumb">
        <a href="/console/incidents">{own.all}</a>
      </p>
      <PageHead
        title={found === undefined ? title : detectionName(found.detection)}
        badges={
          found === undefined ? undefined : (
            <>
              <Severity of={found.severity} />
              <Badge tone={stateTone[found.state]}>{states[found.state]}</Badge>
            </>
          )
        }
      >
        {found === undefined ? undefined : <Acts incident={found} />}
      </PageHead>
      <Shown query={query} lines={5}>
        {(incident) => (
          <>
            <Section title={own.what}>
              <p class="why">{byName(seen, incident.detection)}</p>
              <Facts
                items={[
                  [
                    own.subject,
                    <>
                      {incident.subject.kind} <CopyId>{incident.subject.id}</CopyId>
                    </>,
                  ],
                  [own.count, String(incident.count)],
                  [own.first, <Time at={incident.first_seen_at} />],
                  [own.last, <Time at={incident.last_seen_at} />],
                  ...(typeof incident.detail.seq === 'number'
                    ? ([[own.event, <Sealed seq={incident.detail.seq} />]] as const)
                    : []),
                  ...(incident.changed_by === null
                    ? []
                    : ([
                        [
                          own.changed,
                          <>
                            <Id>{incident.changed_by}</Id> <Time at={incident.changed_at} />
                          </>,
                        ],
                        [own.reason, <Foreign>{incident.reason ?? ''}</Foreign>],
                      ] as const)),
                ]}
              />
            </Section>
            <Section title={own.done}>
              <Actions incident={incident} />
            </Section>
            <Section title={own.detail}>
              <Json value={incident.detail} />
            </Section>
          </>
        )}
      </Shown>
    </div>
  );
}
