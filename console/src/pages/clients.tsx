import { useLocation } from 'preact-iso';
import { type Answer, usePages } from '../data/api.ts';
import { commandLine } from '../parts/copy.tsx';
import { addressWith } from '../parts/filter.tsx';
import { Badge, Foreign, Id, Time } from '../parts/format.tsx';
import { PagedList, PageHead, type PageProps, Row } from '../parts/page.tsx';
import { Empty } from '../parts/states.tsx';
import { inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Applications and services that get tokens here',
    search: 'Name begins with',
    none: 'There is no client yet',
    noneWhy: 'An application or service appears here as soon as it is registered.',
    noMatch: 'No client matches',
    noMatchWhy: 'The search compares the beginning of the name.',
    builtIn: 'built in',
    disabled: 'Disabled',
    unvetted: 'registered itself',
    changed: 'changed',
  },
  de: {
    lead: 'Anwendungen und Dienste, die hier Tokens bekommen',
    search: 'Name beginnt mit',
    none: 'Es gibt noch keinen Client',
    noneWhy: 'Eine Anwendung oder ein Dienst erscheint hier, sobald er registriert ist.',
    noMatch: 'Kein Client passt',
    noMatchWhy: 'Die Suche vergleicht den Anfang des Namens.',
    builtIn: 'eingebaut',
    disabled: 'Gesperrt',
    unvetted: 'selbst registriert',
    changed: 'geändert',
  },
});

type Client = Answer<'GET /v1/admin/clients'>['clients'][number];

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const { query, route } = useLocation();
  const search = query.q ?? '';
  const pages = usePages('GET /v1/admin/clients', { limit: 50, ...(search === '' ? {} : { name_prefix: search }) });
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
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
          label={title}
          pages={pages}
          itemsOf={(page) => page.clients}
          empty={
            search === '' ? (
              <Empty title={own.none} command={commandLine('clients', 'create', 'Reports', '--reason', 'first client')}>
                <p>{own.noneWhy}</p>
              </Empty>
            ) : (
              <Empty title={own.noMatch}>
                <p>{own.noMatchWhy}</p>
              </Empty>
            )
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
