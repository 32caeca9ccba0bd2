import { type Answer, call, useRead } from '../../data/api.ts';
import { useCan } from '../../data/session.tsx';
import { ActButton } from '../../parts/act.tsx';
import { commandLine } from '../../parts/copy.tsx';
import { Badge, Foreign, Time, type Tone, useNumber } from '../../parts/format.tsx';
import { Row, Section } from '../../parts/page.tsx';
import { Empty, Shown } from '../../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../../texts/languages.ts';

const texts = inLanguages({
  en: {
    streams: 'Streams to receivers',
    none: 'No system receives signals from here',
    noneWhy: 'A stream appears here once a client with the scope ssf.manage has created it at /ssf/streams.',
    polled: 'polled by the receiver',
    events: 'events: {events}',
    noEvents: 'no events chosen',
    reason: 'reason:',
    excluded: 'all users but {count}',
    everyone: 'all users',
    waiting: '{count} waiting',
    givenUp: '{count} given up',
    created: 'created',
    enabled: 'Enabled',
    paused: 'Paused',
    disabled: 'Disabled',
    verify: 'Verify',
    verifyTitle: 'Send a verification event to {owner}',
    verifyLead:
      'It goes through the sealed log and the queue, as every other event. The receiver says whether it arrived.',
    pause: 'Pause',
    pauseTitle: 'Pause the stream of {owner}',
    pauseLead: 'Nothing is sent; its events are kept and sent once it is enabled again.',
    enable: 'Enable',
    enableTitle: 'Enable the stream of {owner}',
    enableLead: 'Kept events are sent. A stream that was disabled begins with the events from now on.',
    disable: 'Disable',
    disableTitle: 'Disable the stream of {owner}',
    disableLead:
      'What waits is dropped, and the receiver does not learn of access that ends meanwhile. It may go on accepting it.',
    blast: 'At least {waiting} events wait for it',
    blastNone: 'No event waits for it',
  },
  de: {
    streams: 'Ströme an Empfänger',
    none: 'Kein System empfängt von hier Signale',
    noneWhy:
      'Ein Strom erscheint hier, sobald ein Client mit dem Scope ssf.manage ihn unter /ssf/streams angelegt hat.',
    polled: 'vom Empfänger abgeholt',
    events: 'Ereignisse: {events}',
    noEvents: 'keine Ereignisse gewählt',
    reason: 'Grund:',
    excluded: 'alle Benutzer außer {count}',
    everyone: 'alle Benutzer',
    waiting: '{count} warten',
    givenUp: '{count} aufgegeben',
    created: 'angelegt',
    enabled: 'Aktiv',
    paused: 'Angehalten',
    disabled: 'Abgeschaltet',
    verify: 'Prüfen',
    verifyTitle: 'Ein Prüfereignis an {owner} senden',
    verifyLead:
      'Es geht wie jedes Ereignis durch das versiegelte Protokoll und die Warteschlange. Ob es ankam, sagt der Empfänger.',
    pause: 'Anhalten',
    pauseTitle: 'Den Strom von {owner} anhalten',
    pauseLead: 'Nichts wird gesendet; seine Ereignisse bleiben und gehen hinaus, sobald er wieder aktiv ist.',
    enable: 'Aktivieren',
    enableTitle: 'Den Strom von {owner} aktivieren',
    enableLead: 'Aufgehobene Ereignisse gehen hinaus. Ein abgeschalteter Strom beginnt mit den Ereignissen ab jetzt.',
    disable: 'Abschalten',
    disableTitle: 'Den Strom von {owner} abschalten',
    disableLead:
      'Was wartet, entfällt, und der Empfänger erfährt nicht von Zugriff, der inzwischen endet. Er nimmt ihn womöglich weiter an.',
    blast: 'Mindestens {waiting} Ereignisse warten auf ihn',
    blastNone: 'Kein Ereignis wartet auf ihn',
  },
});

type Stream = Answer<'GET /v1/admin/signal-streams'>['streams'][number];
const tones = { enabled: 'good', paused: 'warn', disabled: 'bad' } as const satisfies Record<Stream['status'], Tone>;
const REFRESH_MS = 15_000;

/** `session-revoked` of its URI. */
const shortName = (event: string): string => event.slice(event.lastIndexOf('/') + 1);

function Acts({ stream }: { readonly stream: Stream }) {
  const own = useTexts(texts);
  const number = useNumber();
  const { stream_id: id, owner } = stream;
  const path = { stream_id: id };
  const blast = fill(stream.waiting === 0 ? own.blastNone : own.blast, { waiting: number(stream.waiting) });
  const set = (act: 'pause' | 'enable' | 'disable', status: Stream['status']) => (
    <ActButton
      act={{
        title: fill(own[`${act}Title`], { owner }),
        lead: own[`${act}Lead`],
        verb: own[act],
        isHarmful: act === 'disable',
        blast,
        command: (reason) => commandLine('signal-streams', 'status', id, '--status', status, '--reason', reason),
        run: (reason) => call('POST /v1/admin/signal-streams/{stream_id}/status', { path, body: { status, reason } }),
      }}
    >
      {own[act]}
    </ActButton>
  );
  return (
    <>
      {stream.status === 'enabled' ? (
        <ActButton
          act={{
            title: fill(own.verifyTitle, { owner }),
            lead: own.verifyLead,
            verb: own.verify,
            blast,
            command: (reason) => commandLine('signal-streams', 'verify', id, '--reason', reason),
            run: (reason) => call('POST /v1/admin/signal-streams/{stream_id}/verify', { path, body: { reason } }),
          }}
        >
          {own.verify}
        </ActButton>
      ) : null}
      {stream.status === 'enabled' ? set('pause', 'paused') : set('enable', 'enabled')}
      {stream.status === 'disabled' ? null : set('disable', 'disabled')}
    </>
  );
}

/** Streams of every receiver. */
export function Streams() {
  const own = useTexts(texts);
  const can = useCan();
  const number = useNumber();
  const query = useRead('GET /v1/admin/signal-streams', {}, { refetchInterval: REFRESH_MS });
  return (
    <Section title={own.streams}>
      <Shown query={query}>
        {({ streams }) =>
          streams.length === 0 ? (
            <Empty
              title={own.none}
              command={commandLine(
                'clients',
                'create',
                'Device management',
                '--credential-scopes',
                'ssf.manage,ssf.read',
                '--reason',
                'shared signals',
              )}
            >
              <p>{own.noneWhy}</p>
            </Empty>
          ) : (
            <ul class="rows" aria-label={own.streams}>
              {streams.map((stream) => (
                <Row
                  key={stream.stream_id}
                  title={<Foreign>{stream.description ?? stream.owner}</Foreign>}
                  meta={
                    <>
                      {stream.description === null ? null : <Foreign>{stream.owner}</Foreign>}
                      <Foreign>{stream.endpoint_url ?? own.polled}</Foreign>
                      <span>
                        {stream.events.length === 0
                          ? own.noEvents
                          : fill(own.events, { events: stream.events.map(shortName).join(', ') })}
                      </span>
                      <span>
                        {stream.excluded_users === 0
                          ? own.everyone
                          : fill(own.excluded, { count: number(stream.excluded_users) })}
                      </span>
                      {stream.status_reason === null ? null : (
                        <span>
                          {own.reason} <Foreign>{stream.status_reason}</Foreign>
                        </span>
                      )}
                      <span>
                        {own.created} <Time at={stream.created_at} />
                      </span>
                    </>
                  }
                  side={
                    <>
                      {stream.waiting === 0 ? null : (
                        <Badge tone="accent">{fill(own.waiting, { count: number(stream.waiting) })}</Badge>
                      )}
                      {stream.given_up === 0 ? null : (
                        <Badge tone="bad">{fill(own.givenUp, { count: number(stream.given_up) })}</Badge>
                      )}
                      <Badge tone={tones[stream.status]}>{own[stream.status]}</Badge>
                      {can('signals:manage') ? <Acts stream={stream} /> : null}
                    </>
                  }
                />
              ))}
            </ul>
          )
        }
      </Shown>
    </Section>
  );
}
