import { useLocation } from 'preact-iso';
import { type Answer, usePages } from '../data/api.ts';
import { titles } from '../pages.ts';
import { addressWith } from '../parts/filter.tsx';
import { Badge, Foreign, Id, Time } from '../parts/format.tsx';
import { PagedList, PageHead, Row } from '../parts/page.tsx';
import { Empty } from '../parts/states.tsx';
import { inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Applications and services that get tokens here',
    search: 'Search by the beginning of the name',
    none: 'No client matches',
    noneWhy: 'Create one: sallyport clients create <name>',
    builtIn: 'built in',
    disabled: 'Disabled',
    unvetted: 'registered itself',
    changed: 'changed',
  },
  de: {
    lead: 'Anwendungen und Dienste, die hier Tokens bekommen',
    search: 'Suche nach dem Anfang des Namens',
    none: 'Kein Client passt',
    noneWhy: 'Legen Sie einen an: sallyport clients create <Name>',
    builtIn: 'eingebaut',
    disabled: 'Gesperrt',
    unvetted: 'selbst registriert',
    changed: 'geändert',
  },
});

type Client = Answer<'GET /v1/admin/clients'>['clients'][number];

export function Page() {
  const own = useTexts(texts);
  const names = useTexts(titles);
  const { query, route } = useLocation();
  const search = query.q ?? '';
  const pages = usePages('GET /v1/admin/clients', { limit: 50, ...(search === '' ? {} : { name_prefix: search }) });
  return (
    <div class="page">
      <PageHead title={names.clients} lead={own.lead} />
      <search class="toolbar">
        <input
          type="search"
          aria-label={own.search}
          placeholder={own.search}
          value={search}
          maxLength={128}
          autoComplete="off"
          onChange={(event) => route(addressWith('/console/clients', { q: event.currentTarget.value.trim() }), true)}
        />
      </search>
      <div>
        <PagedList
          label={names.clients}
          pages={pages}
          itemsOf={(page) => page.clients}
          empty={
            <Empty title={own.none}>
              <p>{own.noneWhy}</p>
            </Empty>
          }
        >
          {(client: Client) => (
            <Row
              key={client.client_id}
              href={`/console/clients/${encodeURIComponent(client.client_id)}`}
              title={<Foreign>{client.name}</Foreign>}
              meta={
                <>
                  <Id>{client.client_id}</Id>
                  <span>{client.grant_types.map((grant) => grant.split(':').at(-1)).join(', ')}</span>
                  {client.updated_at === null ? null : (
                    <span>
                      {own.changed} <Time at={client.updated_at} />
                    </span>
                  )}
                </>
              }
              side={
                <>
                  {client.built_in ? <Badge>{own.builtIn}</Badge> : null}
                  {client.origin === 'admin' ? null : <Badge tone="warn">{own.unvetted}</Badge>}
                  {client.disabled ? <Badge tone="bad">{own.disabled}</Badge> : null}
                </>
              }
            />
          )}
        </PagedList>
      </div>
    </div>
  );
}
