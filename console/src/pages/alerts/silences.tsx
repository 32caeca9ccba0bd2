import { type Answer, call, usePages } from '../../data/api.ts';
import { useCan } from '../../data/session.tsx';
import { ActButton } from '../../parts/act.tsx';
import { commandLine } from '../../parts/copy.tsx';
import { Badge, Foreign, Labels, When } from '../../parts/format.tsx';
import { PagedList, Row, Section } from '../../parts/page.tsx';
import { Empty } from '../../parts/states.tsx';
import { inLanguages, useTexts } from '../../texts/languages.ts';
import { NewSilence } from './new-silence.tsx';

const texts = inLanguages({
  en: {
    silences: 'Silences',
    none: 'Nothing is silenced',
    noneWhy: 'Every alert goes to the targets that want its severity and source.',
    ends: 'ends',
    endedAt: 'ended',
    by: 'by',
    active: 'In force',
    ended: 'Ended',
    end: 'End',
    endTitle: 'End this silence',
    endLead: 'Alerts with these labels that still last and were not sent are sent now.',
  },
  de: {
    silences: 'Stummschaltungen',
    none: 'Nichts ist stummgeschaltet',
    noneWhy: 'Jeder Alarm geht an die Ziele, die seine Schwere und Quelle wollen.',
    ends: 'endet',
    endedAt: 'endete',
    by: 'von',
    active: 'In Kraft',
    ended: 'Beendet',
    end: 'Beenden',
    endTitle: 'Diese Stummschaltung beenden',
    endLead: 'Alarme mit diesen Labels, die noch bestehen und nicht gesendet wurden, werden jetzt gesendet.',
  },
});

type Silence = Answer<'GET /v1/admin/silences'>['silences'][number];

/** Silences, those that end last first. */
export function Silences() {
  const own = useTexts(texts);
  const can = useCan();
  const pages = usePages('GET /v1/admin/silences', { limit: 50 });
  return (
    <Section title={own.silences} acts={can('alerts:manage') ? <NewSilence /> : undefined}>
      <PagedList
        label={own.silences}
        pages={pages}
        itemsOf={(page) => page.silences}
        empty={
          <Empty title={own.none}>
            <p>{own.noneWhy}</p>
          </Empty>
        }
      >
        {(silence: Silence) => (
          <Row
            key={silence.silence_id}
            title={<Labels of={silence.matchers} />}
            meta={
              <>
                <When at={silence.until} coming={own.ends} past={own.endedAt} />
                <span>
                  {own.by} <Foreign>{silence.created_by}</Foreign>
                </span>
                <Foreign>{silence.reason}</Foreign>
              </>
            }
            side={
              <>
                <Badge tone={silence.is_active ? 'warn' : 'plain'}>{silence.is_active ? own.active : own.ended}</Badge>
                {silence.is_active && can('alerts:manage') ? (
                  <ActButton
                    act={{
                      title: own.endTitle,
                      lead: own.endLead,
                      verb: own.end,
                      blast: <Labels of={silence.matchers} />,
                      command: (reason) => commandLine('silences', 'end', silence.silence_id, '--reason', reason),
                      run: (reason) =>
                        call('POST /v1/admin/silences/{silence_id}/end', {
                          path: { silence_id: silence.silence_id },
                          body: { reason },
                        }),
                    }}
                  >
                    {own.end}
                  </ActButton>
                ) : null}
              </>
            }
          />
        )}
      </PagedList>
    </Section>
  );
}
