import { useLocation } from 'preact-iso';
import { type Answer, call, useRead } from '../data/api.ts';
import { ActButton } from '../parts/act.tsx';
import { commandLine } from '../parts/copy.tsx';
import { Badge, Foreign, Id, Time, useNumber } from '../parts/format.tsx';
import { Json } from '../parts/json.tsx';
import { Facts, PageHead, type PageProps, Section } from '../parts/page.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    all: 'Dead letters',
    about: 'About',
    queue: 'Queue',
    id: 'Job id',
    code: 'Error',
    attempts: 'Attempts',
    enqueued: 'Enqueued',
    failed: 'Failed',
    payload: 'Payload',
    noPayload: 'This job has no payload',
    noPayloadWhy: 'It works through rows of the database, and gave up on this one.',
    retry: 'Retry',
    retryTitle: 'Retry {job}',
    retryLead: 'It goes back into its queue with all its attempts. Remove the cause first, or it fails again.',
    discard: 'Discard',
    discardTitle: 'Discard {job}',
    discardLead:
      'It is removed for good, and its work is never done. Do it only if the work is obsolete or was done by hand.',
    blast: 'One job of the queue {queue}, which failed with {code}',
  },
  de: {
    all: 'Gescheiterte',
    about: 'Angaben',
    queue: 'Warteschlange',
    id: 'Job-ID',
    code: 'Fehler',
    attempts: 'Versuche',
    enqueued: 'Eingereiht',
    failed: 'Gescheitert',
    payload: 'Nutzdaten',
    noPayload: 'Dieser Job hat keine Nutzdaten',
    noPayloadWhy: 'Er arbeitet Zeilen der Datenbank ab und hat diese aufgegeben.',
    retry: 'Wiederholen',
    retryTitle: '{job} wiederholen',
    retryLead:
      'Er kommt mit allen Versuchen zurück in seine Warteschlange. Beheben Sie zuerst die Ursache, sonst scheitert er wieder.',
    discard: 'Verwerfen',
    discardTitle: '{job} verwerfen',
    discardLead:
      'Er wird endgültig entfernt, und seine Arbeit wird nie getan. Nur, wenn sie überholt ist oder von Hand erledigt wurde.',
    blast: 'Ein Job der Warteschlange {queue}, gescheitert mit {code}',
  },
});

type Letter = Answer<'GET /v1/admin/dead-letters/{queue}/{job_id}'>;

function Acts({ letter }: { readonly letter: Letter }) {
  const own = useTexts(texts);
  const { route } = useLocation();
  const { queue, job_id: id, job, code } = letter;
  const path = { queue, job_id: id };
  const blast = fill(own.blast, { queue, code });
  const onDone = (): void => route('/console/queues?show=dead', true);
  return (
    <>
      <ActButton
        act={{
          title: fill(own.retryTitle, { job }),
          lead: own.retryLead,
          verb: own.retry,
          blast,
          command: () => commandLine('queue', 'retry', id),
          run: (reason) => call('POST /v1/admin/dead-letters/{queue}/{job_id}/retry', { path, body: { reason } }),
          onDone,
        }}
      >
        {own.retry}
      </ActButton>
      <ActButton
        act={{
          title: fill(own.discardTitle, { job }),
          lead: own.discardLead,
          verb: own.discard,
          isHarmful: true,
          blast,
          command: (reason) => commandLine('queue', 'discard', queue, id, '--reason', reason),
          run: (reason) => call('POST /v1/admin/dead-letters/{queue}/{job_id}/discard', { path, body: { reason } }),
          onDone,
        }}
      >
        {own.discard}
      </ActButton>
    </>
  );
}

export function Page({ params, title }: PageProps) {
  const own = useTexts(texts);
  const number = useNumber();
  const query = useRead('GET /v1/admin/dead-letters/{queue}/{job_id}', {
    path: { queue: params.queue ?? '', job_id: params.id ?? '' },
  });
  const found = query.data;
  return (
    <div class="page">
      <p class="crumb">
        <a href="/console/queues?show=dead">{own.all}</a>
      </p>
      <PageHead
        title={found?.job ?? title}
        badges={found === undefined ? undefined : <Badge tone="bad">{found.code}</Badge>}
      >
        {found === undefined ? undefined : <Acts letter={found} />}
      </PageHead>
      <Shown query={query} lines={5}>
        {(letter) => (
          <>
            <Section title={own.about}>
              <Facts
                items={[
                  [own.queue, letter.queue],
                  [own.id, <Id>{letter.job_id}</Id>],
                  [own.code, <Foreign>{letter.code}</Foreign>],
                  [own.attempts, number(letter.attempts)],
                  [own.enqueued, <Time at={letter.enqueued_at} />],
                  [own.failed, <Time at={letter.failed_at} />],
                ]}
              />
            </Section>
            <Section title={own.payload}>
              {letter.payload === null ? (
                <Empty title={own.noPayload}>
                  <p>{own.noPayloadWhy}</p>
                </Empty>
              ) : (
                <Json value={letter.payload} />
              )}
            </Section>
          </>
        )}
      </Shown>
    </div>
  );
}
