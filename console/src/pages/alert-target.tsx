import { useLocation } from 'preact-iso';
import { type Answer, call, usePages, useRead } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { ActButton } from '../parts/act.tsx';
import { commandLine } from '../parts/copy.tsx';
import { Badge, Foreign, Id, Time, type Tone, useNumber } from '../parts/format.tsx';
import { Facts, PagedList, PageHead, type PageProps, Row, Section } from '../parts/page.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';
import { ChangeTarget } from './alerts/change-target.tsx';
import { type Target, useTargetWords } from './alerts/target-words.ts';

const texts = inLanguages({
  en: {
    all: 'Targets of alerts',
    gone: 'There is no such target',
    goneWhy: 'It was removed, or its address is mistyped.',
    up: 'Accepting',
    down: 'Failing',
    about: 'About',
    id: 'Target id',
    kind: 'Kind',
    destination: 'Address',
    gets: 'Gets',
    severity: 'Severity',
    waiting: 'Waiting',
    created: 'Created',
    test: 'Send a test',
    testTitle: 'Send a test message to {name}',
    testLead: 'A worker sends it within seconds. Its deliveries show what became of it.',
    remove: 'Remove',
    removeTitle: 'Remove {name}',
    dropped: 'Waiting alerts and messages: {count}',
    removeLead: 'No more alerts are sent there, and what waits is dropped.',
    deliveries: 'Deliveries',
    none: 'Nothing was sent there yet',
    noneWhy: 'A message appears here as soon as one is made, also before it is accepted.',
    sent: 'Accepted',
    given_up: 'Given up',
    waits: 'Waiting',
    isTest: 'Test message',
    grouped: '{firing} firing, {resolved} resolved',
    attempts: 'attempts: {count}',
  },
  de: {
    all: 'Ziele der Alarme',
    gone: 'Dieses Ziel gibt es nicht',
    goneWhy: 'Es wurde entfernt, oder die Adresse ist vertippt.',
    up: 'Nimmt an',
    down: 'Scheitert',
    about: 'Angaben',
    id: 'Ziel-ID',
    kind: 'Art',
    destination: 'Adresse',
    gets: 'Bekommt',
    severity: 'Schwere',
    waiting: 'Wartend',
    created: 'Angelegt',
    test: 'Test senden',
    testTitle: 'Eine Testnachricht an {name} senden',
    testLead: 'Ein Worker sendet sie binnen Sekunden. Die Zustellungen zeigen, was daraus wurde.',
    remove: 'Entfernen',
    removeTitle: '{name} entfernen',
    dropped: 'Wartende Alarme und Nachrichten: {count}',
    removeLead: 'Dorthin gehen keine Alarme mehr, und was wartet, entfällt.',
    deliveries: 'Zustellungen',
    none: 'Dorthin ging noch nichts',
    noneWhy: 'Eine Nachricht erscheint hier, sobald sie entsteht, auch bevor sie angenommen ist.',
    sent: 'Angenommen',
    given_up: 'Aufgegeben',
    waits: 'Wartet',
    isTest: 'Testnachricht',
    grouped: '{firing} aktiv, {resolved} behoben',
    attempts: 'Versuche: {count}',
  },
});

type Delivery = Answer<'GET /v1/admin/alert-targets/{target_id}/deliveries'>['deliveries'][number];
const tones = { waiting: 'accent', sent: 'good', given_up: 'bad' } as const satisfies Record<Delivery['status'], Tone>;
const REFRESH_MS = 5_000;

function Acts({ target }: { readonly target: Target }) {
  const own = useTexts(texts);
  const number = useNumber();
  const { route } = useLocation();
  const { target_id: id, name } = target;
  const path = { target_id: id };
  return (
    <>
      <ActButton
        act={{
          title: fill(own.testTitle, { name }),
          lead: own.testLead,
          verb: own.test,
          blast: <Foreign>{target.destination}</Foreign>,
          command: (reason) => commandLine('alert-targets', 'test', id, '--reason', reason),
          run: (reason) => call('POST /v1/admin/alert-targets/{target_id}/test', { path, body: { reason } }),
        }}
      >
        {own.test}
      </ActButton>
      <ChangeTarget target={target} />
      <ActButton
        act={{
          title: fill(own.removeTitle, { name }),
          lead: own.removeLead,
          verb: own.remove,
          isHarmful: true,
          blast: fill(own.dropped, { count: number(target.waiting) }),
          command: (reason) => commandLine('alert-targets', 'remove', id, '--reason', reason),
          run: (reason) => call('POST /v1/admin/alert-targets/{target_id}/remove', { path, body: { reason } }),
          onDone: () => route('/console/alerts?show=targets', true),
        }}
      >
        {own.remove}
      </ActButton>
    </>
  );
}

function Deliveries({ id }: { readonly id: string }) {
  const own = useTexts(texts);
  const number = useNumber();
  const pages = usePages(
    'GET /v1/admin/alert-targets/{target_id}/deliveries',
    { limit: 50 },
    { path: { target_id: id }, refetchInterval: REFRESH_MS },
  );
  return (
    <Section title={own.deliveries}>
      <PagedList
        label={own.deliveries}
        pages={pages}
        itemsOf={(page) => page.deliveries}
        empty={
          <Empty title={own.none}>
            <p>{own.noneWhy}</p>
          </Empty>
        }
      >
        {(delivery: Delivery) => (
          <Row
            key={delivery.delivery_id}
            title={delivery.kind === 'test' ? own.isTest : <Foreign>{delivery.group}</Foreign>}
            meta={
              <>
                {delivery.kind === 'test' ? null : (
                  <span>
                    {fill(own.grouped, { firing: number(delivery.firing), resolved: number(delivery.resolved) })}
                  </span>
                )}
                <Time at={delivery.sent_at ?? delivery.created_at} />
                <span>{fill(own.attempts, { count: number(delivery.attempts) })}</span>
                {delivery.explanation === null ? null : <Foreign>{delivery.explanation}</Foreign>}
              </>
            }
            side={
              <Badge tone={tones[delivery.status]}>
                {delivery.status === 'waiting' ? own.waits : own[delivery.status]}
              </Badge>
            }
          />
        )}
      </PagedList>
    </Section>
  );
}

function Details({ target }: { readonly target: Target }) {
  const own = useTexts(texts);
  const words = useTargetWords();
  const can = useCan();
  const number = useNumber();
  return (
    <>
      <PageHead
        title={target.name}
        badges={<Badge tone={target.is_down ? 'bad' : 'good'}>{target.is_down ? own.down : own.up}</Badge>}
      >
        {can('alerts:manage') ? <Acts target={target} /> : undefined}
      </PageHead>
      <Section title={own.about}>
        <Facts
          items={[
            [own.id, <Id>{target.target_id}</Id>],
            [own.kind, words.kind(target.kind)],
            [own.destination, <Foreign>{target.destination}</Foreign>],
            [own.gets, target.sources.map(words.source).join(', ')],
            [own.severity, words.severity(target.min_severity)],
            [own.waiting, number(target.waiting)],
            [own.created, <Time at={target.created_at} />],
          ]}
        />
      </Section>
      <Deliveries id={target.target_id} />
    </>
  );
}

export function Page({ params, title }: PageProps) {
  const own = useTexts(texts);
  const query = useRead('GET /v1/admin/alert-targets', {}, { refetchInterval: REFRESH_MS });
  return (
    <div class="page">
      <p class="crumb">
        <a href="/console/alerts?show=targets">{own.all}</a>
      </p>
      <Shown query={query} lines={5}>
        {({ targets }) => {
          const target = targets.find(({ target_id: id }) => id === params.id);
          return target === undefined ? (
            <>
              <PageHead title={title} />
              <Empty title={own.gone}>
                <p>{own.goneWhy}</p>
              </Empty>
            </>
          ) : (
            <Details target={target} />
          );
        }}
      </Shown>
    </div>
  );
}
