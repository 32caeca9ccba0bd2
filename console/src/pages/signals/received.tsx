import { type Answer, usePages, useRead } from '../../data/api.ts';
import { Badge, Foreign, Id, Time, type Tone } from '../../parts/format.tsx';
import { PagedList, Row, Section } from '../../parts/page.tsx';
import { Empty } from '../../parts/states.tsx';
import { inLanguages, useTexts } from '../../texts/languages.ts';

const texts = inLanguages({
  en: {
    received: 'Received signals',
    none: 'No signal was received in the last 90 days',
    noneWhy: 'A signal appears here with what it did, even if its subject is not a user here.',
    removed: 'a removed transmitter',
    applied: 'Access ended',
    no_user: 'No such user',
    ignored: 'Nothing to do',
  },
  de: {
    received: 'Eingetroffene Signale',
    none: 'In den letzten 90 Tagen traf kein Signal ein',
    noneWhy: 'Ein Signal erscheint hier mit dem, was es bewirkte, auch wenn es keinen Benutzer hier meint.',
    removed: 'ein entfernter Sender',
    applied: 'Zugriff beendet',
    no_user: 'Kein solcher Benutzer',
    ignored: 'Nichts zu tun',
  },
});

type Signal = Answer<'GET /v1/admin/signals'>['signals'][number];
const tones = { applied: 'good', no_user: 'plain', ignored: 'plain' } as const satisfies Record<
  Signal['outcome'],
  Tone
>;
const REFRESH_MS = 15_000;

/** Signals of other systems, newest first. */
export function Received() {
  const own = useTexts(texts);
  const pages = usePages('GET /v1/admin/signals', { limit: 50 }, { refetchInterval: REFRESH_MS });
  const { data } = useRead('GET /v1/admin/signal-transmitters', {});
  const issuerOf = (id: string): string =>
    data?.transmitters.find(({ transmitter_id: each }) => each === id)?.issuer ??
    (data === undefined ? id : own.removed);
  return (
    <Section title={own.received}>
      <PagedList
        label={own.received}
        pages={pages}
        itemsOf={(page) => page.signals}
        empty={
          <Empty title={own.none}>
            <p>{own.noneWhy}</p>
          </Empty>
        }
      >
        {(signal: Signal) => (
          <Row
            key={signal.signal_id}
            title={<Foreign>{signal.event}</Foreign>}
            meta={
              <>
                <Foreign>{issuerOf(signal.transmitter_id)}</Foreign>
                <Id>{signal.signal_id}</Id>
                <Time at={signal.received_at} />
              </>
            }
            side={<Badge tone={tones[signal.outcome]}>{own[signal.outcome]}</Badge>}
          />
        )}
      </PagedList>
    </Section>
  );
}
