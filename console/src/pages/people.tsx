import { useEffect, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { type Answer, usePages } from '../data/api.ts';
import { addressWith, Filter } from '../parts/filter.tsx';
import { Badge, Foreign, Time } from '../parts/format.tsx';
import { PagedList, PageHead, type PageProps, Row } from '../parts/page.tsx';
import { Empty } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Accounts, newest first',
    withRole: 'Accounts with the role {role}, newest first',
    search: 'Address begins with',
    short: 'Type at least three characters',
    status: 'Status',
    everybody: 'Any status',
    enabled: 'Enabled',
    disabled: 'Disabled',
    unverified: 'Unverified address',
    nobody: 'No account matches',
    nobodyWhy: 'The search compares the beginning of the address.',
    created: 'created',
  },
  de: {
    lead: 'Konten, die neuesten zuerst',
    withRole: 'Konten mit der Rolle {role}, die neuesten zuerst',
    search: 'Adresse beginnt mit',
    short: 'Mindestens drei Zeichen eingeben',
    status: 'Status',
    everybody: 'Jeder Status',
    enabled: 'Aktiv',
    disabled: 'Gesperrt',
    unverified: 'Adresse nicht bestätigt',
    nobody: 'Kein Konto passt',
    nobodyWhy: 'Die Suche vergleicht den Anfang der Adresse.',
    created: 'angelegt',
  },
});

type Account = Answer<'GET /v1/admin/users'>['users'][number];

/** The API searches from three characters on. */
const SHORTEST = 3;
const WAIT_MS = 250;

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const { query, route } = useLocation();
  const [typed, setTyped] = useState(query.q ?? '');
  const search = query.q ?? '';
  const status = query.status ?? '';
  const role = query.role ?? '';
  useEffect(() => setTyped(query.q ?? ''), [query.q]);
  useEffect(() => {
    if (typed === search) return;
    const timer = setTimeout(() => go(typed, status), WAIT_MS);
    return () => clearTimeout(timer);
  }, [typed]);

  function go(q: string, chosen: string): void {
    route(addressWith('/console/people', { q, status: chosen, role }), true);
  }

  const pages = usePages('GET /v1/admin/users', {
    limit: 50,
    ...(search.length >= SHORTEST ? { email_prefix: search } : {}),
    ...(role === '' ? {} : { role }),
    ...(status === '' ? {} : { disabled: status === 'disabled' ? 'true' : 'false' }),
  });

  return (
    <div class="page">
      <PageHead title={title} lead={role === '' ? own.lead : fill(own.withRole, { role })} />
      <search class="toolbar">
        <input
          type="search"
          aria-label={own.search}
          placeholder={own.search}
          value={typed}
          maxLength={254}
          autoComplete="off"
          spellcheck={false}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
        <Filter
          label={own.status}
          every={own.everybody}
          value={status}
          options={[
            ['enabled', own.enabled],
            ['disabled', own.disabled],
          ]}
          onChange={(chosen) => go(search, chosen)}
        />
      </search>
      {typed.length > 0 && typed.length < SHORTEST ? (
        <p class="dim small" role="status">
          {own.short}
        </p>
      ) : null}
      <div>
        <PagedList
          label={title}
          pages={pages}
          itemsOf={(page) => page.users}
          empty={
            <Empty title={own.nobody}>
              <p>{own.nobodyWhy}</p>
            </Empty>
          }
        >
          {(account: Account) => (
            <Row
              key={account.id}
              href={`/console/people/${encodeURIComponent(account.id)}`}
              title={<Foreign>{account.email}</Foreign>}
              meta={
                <>
                  {account.name === null || account.name === '' ? null : <Foreign>{account.name}</Foreign>}
                  <span>
                    {own.created} <Time at={account.created_at} />
                  </span>
                </>
              }
              side={
                <>
                  {account.roles
                    .filter((role) => role !== 'user')
                    .slice(0, 3)
                    .map((role) => (
                      <Badge key={role}>{role}</Badge>
                    ))}
                  {account.disabled_at === null ? null : <Badge tone="bad">{own.disabled}</Badge>}
                  {account.email_verified_at === null ? <Badge tone="warn">{own.unverified}</Badge> : null}
                </>
              }
            />
          )}
        </PagedList>
      </div>
    </div>
  );
}
