import { useLocation } from 'preact-iso';
import { type Answer, usePages } from '../data/api.ts';
import { addressWith } from '../parts/filter.tsx';
import { Badge, Foreign, Time, type Tone } from '../parts/format.tsx';
import { PagedList, PageHead, type PageProps, Row } from '../parts/page.tsx';
import { Empty } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Every security event, sealed: what is here cannot be changed unnoticed',
    type: 'Type of event',
    typeHint: 'Type: user.login',
    actor: 'Actor, as kind and id',
    actorHint: 'Actor: user:0190…',
    target: 'Target, as kind and id',
    targetHint: 'Target: session:0190…',
    client: 'Client id',
    clientHint: 'Client id',
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
    type: 'Art des Ereignisses',
    typeHint: 'Art: user.login',
    actor: 'Wer, als Art und ID',
    actorHint: 'Wer: user:0190…',
    target: 'Ziel, als Art und ID',
    targetHint: 'Ziel: session:0190…',
    client: 'Client-ID',
    clientHint: 'Client-ID',
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

/** One event as a row; the live stream shows the same. */
export function EventRow({ event }: { readonly event: AuditEvent }) {
  const own = useTexts(texts);
  return (
    <Row
      href={`/console/audit/${event.seq}`}
      title={event.type}
      meta={
        <>
          <span>
            {event.actor.kind} {event.actor.id === null ? null : <Foreign>{event.actor.id}</Foreign>}
          </span>
          {event.target === null ? null : (
            <span>
              → {event.target.kind} <Foreign>{event.target.id ?? ''}</Foreign>
            </span>
          )}
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

const FILTERS = ['type', 'actor', 'target', 'client'] as const;

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
              placeholder={own[`${name}Hint`]}
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
