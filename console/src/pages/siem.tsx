import { useId, useState } from 'preact/hooks';
import { type Answer, call, useRead } from '../data/api.ts';
import { ActButton } from '../parts/act.tsx';
import { commandLine } from '../parts/copy.tsx';
import { Badge, Foreign, Time, useNumber } from '../parts/format.tsx';
import { PageHead, type PageProps, Row, Section } from '../parts/page.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { Views } from '../parts/views.tsx';
import { type Place, placeOf } from '../places.ts';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    targets: 'SIEM export',
    none: 'The log is exported nowhere',
    noneWhy: 'Name the targets in SIEM_TARGETS. A target appears here after its first run.',
    reached: 'has the log up to {seq} of {newest}',
    empty: 'has nothing of the log yet',
    accepted: 'last accepted',
    behind: '{count} behind',
    upToDate: 'Up to date',
    fails: 'Failing',
    since: 'since',
    replay: 'Send again',
    replayTitle: 'Send events to {name} again',
    replayLead:
      'It gets every event from this number on again, in order. A SIEM that knows them by their id keeps one of each.',
    from: 'Number of the first event',
    fromHelp: '0 is the whole log',
    blast: '{count} events are sent again',
  },
  de: {
    targets: 'SIEM-Export',
    none: 'Das Protokoll wird nirgendwohin exportiert',
    noneWhy: 'Nennen Sie die Ziele in SIEM_TARGETS. Ein Ziel erscheint hier nach seinem ersten Lauf.',
    reached: 'hat das Protokoll bis {seq} von {newest}',
    empty: 'hat noch nichts vom Protokoll',
    accepted: 'zuletzt angenommen',
    behind: '{count} zurück',
    upToDate: 'Aktuell',
    fails: 'Scheitert',
    since: 'seit',
    replay: 'Erneut senden',
    replayTitle: 'Ereignisse erneut an {name} senden',
    replayLead:
      'Es bekommt alle Ereignisse ab dieser Nummer erneut, der Reihe nach. Ein SIEM, das ihre ID kennt, behält je eines.',
    from: 'Nummer des ersten Ereignisses',
    fromHelp: '0 ist das ganze Protokoll',
    blast: '{count} Ereignisse gehen erneut hinaus',
  },
});

type Target = Answer<'GET /v1/siem/targets'>['siem_targets'][number];
const REFRESH_MS = 15_000;

function Replay({ of }: { readonly of: Target }) {
  const own = useTexts(texts);
  const number = useNumber();
  const id = useId();
  const [from, setFrom] = useState(String(of.reached_seq));
  const name = of.siem_target;
  return (
    <ActButton
      act={{
        title: fill(own.replayTitle, { name }),
        lead: own.replayLead,
        verb: own.replay,
        blast: fill(own.blast, { count: number(Math.max(0, of.reached_seq - Number(from) + 1)) }),
        fields: () => (
          <div class="field">
            <label htmlFor={id}>{own.from}</label>
            <input
              id={id}
              type="number"
              min={0}
              max={of.reached_seq}
              required
              value={from}
              aria-describedby={`${id}-help`}
              onInput={(event) => setFrom(event.currentTarget.value)}
            />
            <span id={`${id}-help`} class="dim small">
              {own.fromHelp}
            </span>
          </div>
        ),
        command: (reason) => commandLine('siem', 'replay', name, `--from=${from}`, '--reason', reason),
        run: (reason) =>
          call('POST /v1/siem/targets/{siem_target}/replay', {
            path: { siem_target: name },
            body: { from_seq: Number(from), reason },
          }),
      }}
    >
      {own.replay}
    </ActButton>
  );
}

/** How far each SIEM is in the sealed log. */
function Targets() {
  const own = useTexts(texts);
  const number = useNumber();
  const query = useRead('GET /v1/siem/targets', {}, { refetchInterval: REFRESH_MS });
  return (
    <Section title={own.targets}>
      <Shown query={query}>
        {({ siem_targets: targets, newest_seq: newest }) =>
          targets.length === 0 ? (
            <Empty title={own.none}>
              <p>{own.noneWhy}</p>
            </Empty>
          ) : (
            <ul class="rows" aria-label={own.targets}>
              {targets.map((target) => (
                <Row
                  key={target.siem_target}
                  title={target.siem_target}
                  meta={
                    <>
                      <span>
                        {target.reached_seq < 0
                          ? own.empty
                          : fill(own.reached, { seq: number(target.reached_seq), newest: number(newest) })}
                      </span>
                      <span>
                        {own.accepted} <Time at={target.accepted_at} />
                      </span>
                      {target.failure === null ? null : (
                        <span>
                          {own.since} <Time at={target.failing_since} />: <Foreign>{target.failure}</Foreign>
                        </span>
                      )}
                    </>
                  }
                  side={
                    <>
                      {target.failure === null ? null : <Badge tone="bad">{own.fails}</Badge>}
                      <Badge tone={target.behind === 0 ? 'good' : 'warn'}>
                        {target.behind === 0 ? own.upToDate : fill(own.behind, { count: number(target.behind) })}
                      </Badge>
                      {target.reached_seq < 0 ? null : <Replay of={target} />}
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

export const Page = ({ title }: PageProps) => (
  <div class="page">
    <PageHead title={title} />
    <Views of={placeOf('siem') as Place} />
    <Targets />
  </div>
);
