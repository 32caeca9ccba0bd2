import { useRead } from '../../data/api.ts';
import { useCan } from '../../data/session.tsx';
import { Badge, Foreign, useNumber } from '../../parts/format.tsx';
import { Row, Section } from '../../parts/page.tsx';
import { Empty, Shown } from '../../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../../texts/languages.ts';
import { NewTarget } from './new-target.tsx';
import { useTargetWords } from './target-words.ts';

const texts = inLanguages({
  en: {
    targets: 'Targets',
    none: 'Alerts are sent nowhere',
    noneWhy: 'Add a webhook, a mail address or a Slack channel, so that a person is notified.',
    waiting: '{count} waiting',
    up: 'Accepting',
    down: 'Failing',
  },
  de: {
    targets: 'Ziele',
    none: 'Alarme gehen nirgendwohin',
    noneWhy: 'Fügen Sie einen Webhook, eine Mailadresse oder einen Slack-Kanal hinzu, damit jemand davon erfährt.',
    waiting: '{count} warten',
    up: 'Nimmt an',
    down: 'Scheitert',
  },
});

const REFRESH_MS = 15_000;

/** Where alerts are sent. */
export function Targets() {
  const own = useTexts(texts);
  const words = useTargetWords();
  const can = useCan();
  const number = useNumber();
  const query = useRead('GET /v1/admin/alert-targets', {}, { refetchInterval: REFRESH_MS });
  return (
    <Section title={own.targets} acts={can('alerts:manage') ? <NewTarget /> : undefined}>
      <Shown query={query}>
        {({ targets }) =>
          targets.length === 0 ? (
            <Empty title={own.none}>
              <p>{own.noneWhy}</p>
            </Empty>
          ) : (
            <ul class="rows" aria-label={own.targets}>
              {targets.map((target) => (
                <Row
                  key={target.target_id}
                  href={`/console/alerts/targets/${target.target_id}`}
                  title={<Foreign>{target.name}</Foreign>}
                  meta={
                    <>
                      <span>{words.kind(target.kind)}</span>
                      <Foreign>{target.destination}</Foreign>
                      <span>{words.severity(target.min_severity)}</span>
                      <span>{target.sources.map(words.source).join(', ')}</span>
                    </>
                  }
                  side={
                    <>
                      {target.waiting === 0 ? null : (
                        <Badge tone="accent">{fill(own.waiting, { count: number(target.waiting) })}</Badge>
                      )}
                      <Badge tone={target.is_down ? 'bad' : 'good'}>{target.is_down ? own.down : own.up}</Badge>
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
