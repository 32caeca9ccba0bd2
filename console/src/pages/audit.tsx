import { useLocation } from 'preact-iso';
import { type Answer, usePages } from '../data/api.ts';
import { visibleText } from '../data/visible-text.ts';
import { addressWith } from '../parts/filter.tsx';
import { Badge, Foreign, Time, type Tone } from '../parts/format.tsx';
import { PagedList, PageHead, type PageProps, Row } from '../parts/page.tsx';
import { Name, Ref } from '../parts/ref.tsx';
import { Empty } from '../parts/states.tsx';
import { eventSentences } from '../texts/generated/events.ts';
import { fill, inLanguages, useLanguage, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Every security event, sealed: what is here cannot be changed unnoticed',
    type: 'Type: user.login',
    actor: 'Actor: user:0190…',
    target: 'Target: session:0190…',
    client: 'Client id',
    trace: 'Trace id',
    search: 'Search',
    none: 'No event yet',
    noneWhy: 'Each sign-in, token, act and change is here about a second after it happened, once a worker runs.',
    noMatch: 'No event matches',
    noMatchWhy:
      'A type is written as in the reference, such as user.login. An actor and a target have their kind before the id, such as user:0190…, and are compared as a whole.',
    number: 'number {seq}',
    altered: 'altered',
  },
  de: {
    lead: 'Jedes Sicherheitsereignis, versiegelt: was hier steht, lässt sich nicht unbemerkt ändern',
    type: 'Art: user.login',
    actor: 'Wer: user:0190…',
    target: 'Ziel: session:0190…',
    client: 'Client-ID',
    trace: 'Trace-ID',
    search: 'Suchen',
    none: 'Noch kein Ereignis',
    noneWhy:
      'Jede Anmeldung, jedes Token, jede Handlung und Änderung steht etwa eine Sekunde danach hier, sobald ein Worker läuft.',
    noMatch: 'Kein Ereignis passt',
    noMatchWhy:
      'Eine Art schreibt man wie in der Referenz, etwa user.login. Wer und Ziel haben ihre Art vor der ID, etwa user:0190…, und werden als Ganzes verglichen.',
    number: 'Nummer {seq}',
    altered: 'verändert',
  },
});

export type AuditEvent = Answer<'GET /v1/audit/events'>['events'][number];

/** Outcomes other than success and a sum of many events deserve a look. */
export const outcomeTone = (outcome: string): Tone => (['ok', 'counted'].includes(outcome) ? 'plain' : 'warn');

/** What happened, with people and things by their names. @param withLinks not within a link */
export function Sentence({ event, withLinks = false }: { readonly event: AuditEvent; readonly withLinks?: boolean }) {
  const { actor, target, client_id: client, detail, type } = event;
  const [en, de] = eventSentences[`${type} ${event.outcome}`] ?? eventSentences[type] ?? [];
  const sentence = (useLanguage() === 'de' ? de : en) ?? `{actor}: ${type}, {target}`;
  const Party = withLinks ? Ref : Name;
  /** What stands for `{target}`, for `{user:owner_id}` or for another member of the detail. */
  const said = (place: string) => {
    const [kind = '', member = kind] = place.split(':');
    const values = [detail[member]].flat();
    // Left out, or erased.
    const text = values.every((each) => ['string', 'number'].includes(typeof each)) ? values.join(', ') : '…';
    const parties: Readonly<Record<string, typeof actor | null>> = {
      actor,
      target,
      client: client === null ? null : { kind: 'client', id: client },
      user: text === '…' ? null : { kind: 'user', id: text },
    };
    const party = parties[kind];
    return party ? <Party {...party} /> : <Foreign>{visibleText(text)}</Foreign>;
  };
  const parts = sentence.split(/\{([\w:]+)\}/);
  return <>{parts.map((part, at) => (at % 2 === 0 ? part : <span key={part}>{said(part)}</span>))}</>;
}

/** One event as a row; the live stream shows the same. */
export function EventRow({ event }: { readonly event: AuditEvent }) {
  const own = useTexts(texts);
  return (
    <Row
      href={`/console/audit/${event.seq}`}
      title={<Sentence event={event} />}
      meta={
        <>
          <Ref {...event.actor} />
          {event.target === null ? null : <Ref {...event.target} />}
          <code>{event.type}</code>
          <Time at={event.occurred_at} />
          <span>{fill(own.number, { seq: event.seq })}</span>
        </>
      }
      side={
        <>
          {event.altered === true ? <Badge tone="bad">{own.altered}</Badge> : null}
          <Badge tone={outcomeTone(event.outcome)}>{event.outcome}</Badge>
        </>
      }
    />
  );
}

const FILTERS = ['type', 'actor', 'target', 'client', 'trace'] as const;

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const { query, route } = useLocation();
  const given = FILTERS.flatMap((name) => (query[name] ? [[name, query[name]] as const] : []));
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const members = FILTERS.map((name) => [name, String(form.get(name) ?? '').trim()]);
    route(addressWith('/console/audit', Object.fromEntries(members)), true);
  };
  const pages = usePages('GET /v1/audit/events', { limit: 50, ...Object.fromEntries(given) });
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      <search>
        <form class="toolbar fields" onSubmit={submit} key={JSON.stringify(given)}>
          {FILTERS.map((name) => (
            <input
              key={name}
              type="search"
              name={name}
              aria-label={own[name]}
              placeholder={own[name]}
              defaultValue={query[name] ?? ''}
              maxLength={255}
              spellcheck={false}
              autoComplete="off"
            />
          ))}
          <button type="submit">{own.search}</button>
        </form>
      </search>
      <div>
        <PagedList
          label={title}
          pages={pages}
          itemsOf={(page) => page.events}
          empty={
            <Empty title={given.length === 0 ? own.none : own.noMatch}>
              <p>{given.length === 0 ? own.noneWhy : own.noMatchWhy}</p>
            </Empty>
          }
        >
          {(event: AuditEvent) => <EventRow key={event.seq} event={event} />}
        </PagedList>
      </div>
    </div>
  );
}
