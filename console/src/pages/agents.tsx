import { useLocation } from 'preact-iso';
import { type Answer, usePages } from '../data/api.ts';
import { commandLine } from '../parts/copy.tsx';
import { addressWith, Filter } from '../parts/filter.tsx';
import { Badge, Expiry, Foreign, Id, Time, type Tone } from '../parts/format.tsx';
import { PagedList, PageHead, type PageProps, Row } from '../parts/page.tsx';
import { Empty } from '../parts/states.tsx';
import { inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Software that acts for a person, never with more rights than that person has',
    status: 'Status',
    every: 'Any status',
    owner: 'Owner',
    ownerHint: 'Id of the owner',
    of: 'owner',
    seen: 'last seen',
    unseen: 'never seen',
    noScopes: 'no scope',
    none: 'There is no agent yet',
    noneWhy: 'An agent appears here as soon as it is registered, with its owner and what it may do.',
    noMatch: 'No agent matches',
    noMatchWhy: 'An owner is named by the id of the account, as the page of the person shows it.',
  },
  de: {
    lead: 'Software, die für eine Person handelt, nie mit mehr Rechten als diese Person',
    status: 'Status',
    every: 'Jeder Status',
    owner: 'Inhaber',
    ownerHint: 'ID des Inhabers',
    of: 'Inhaber',
    seen: 'zuletzt gesehen',
    unseen: 'nie gesehen',
    noScopes: 'kein Scope',
    none: 'Es gibt noch keinen Agenten',
    noneWhy: 'Ein Agent erscheint hier, sobald er registriert ist, mit seinem Inhaber und dem, was er darf.',
    noMatch: 'Kein Agent passt',
    noMatchWhy: 'Ein Inhaber wird mit der ID des Kontos genannt, wie die Seite der Person sie zeigt.',
  },
});

/** States of agents in words. */
export const agentTexts = inLanguages({
  en: {
    active: 'active',
    silent: 'silent',
    disabled: 'disabled',
    expired: 'expired',
    killed: 'killed',
  },
  de: {
    active: 'aktiv',
    silent: 'still',
    disabled: 'gesperrt',
    expired: 'abgelaufen',
    killed: 'beendet',
  },
});

export type Agent = Answer<'GET /v1/admin/agents'>['agents'][number];
export const agentTone = {
  active: 'good',
  silent: 'warn',
  disabled: 'bad',
  expired: 'plain',
  killed: 'bad',
} as const satisfies Record<Agent['status'], Tone>;
const STATUSES = ['active', 'silent', 'disabled', 'expired', 'killed'] as const;

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const shared = useTexts(agentTexts);
  const { query, route } = useLocation();
  const { status = '', owner = '' } = query;
  const go = (chosen: Readonly<Record<string, string>>): void => {
    route(addressWith('/console/agents', { status, owner, ...chosen }), true);
  };
  const pages = usePages('GET /v1/admin/agents', {
    limit: 50,
    ...(status === '' ? {} : { status }),
    ...(owner === '' ? {} : { owner }),
  });
  const isFiltered = status !== '' || owner !== '';
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      <search class="toolbar">
        <Filter
          label={own.status}
          every={own.every}
          value={status}
          options={STATUSES.map((name) => [name, shared[name]] as const)}
          onChange={(status) => go({ status })}
        />
        <input
          type="search"
          aria-label={own.owner}
          placeholder={own.ownerHint}
          value={owner}
          maxLength={255}
          autoComplete="off"
          spellcheck={false}
          onChange={(event) => go({ owner: event.currentTarget.value.trim() })}
        />
      </search>
      <div>
        <PagedList
          label={title}
          pages={pages}
          itemsOf={(page) => page.agents}
          empty={
            <Empty
              title={isFiltered ? own.noMatch : own.none}
              command={
                isFiltered
                  ? undefined
                  : commandLine(
                      'agents',
                      'register',
                      'Planner',
                      '--owner',
                      'ada@example.org',
                      '--reason',
                      'plans sprints',
                    )
              }
            >
              <p>{isFiltered ? own.noMatchWhy : own.noneWhy}</p>
            </Empty>
          }
        >
          {(agent: Agent) => (
            <Row
              key={agent.agent_id}
              href={`/console/agents/${encodeURIComponent(agent.agent_id)}`}
              title={<Foreign>{agent.name}</Foreign>}
              meta={
                <>
                  <span>
                    {own.of} <Id>{agent.owner_id}</Id>
                  </span>
                  <Foreign>{[...agent.scopes, ...agent.credential_scopes].join(' ') || own.noScopes}</Foreign>
                  {agent.last_seen_at === null ? (
                    <span>{own.unseen}</span>
                  ) : (
                    <span>
                      {own.seen} <Time at={agent.last_seen_at} />
                    </span>
                  )}
                  <Expiry at={agent.expires_at} />
                </>
              }
              side={<Badge tone={agentTone[agent.status]}>{shared[agent.status]}</Badge>}
            />
          )}
        </PagedList>
      </div>
    </div>
  );
}
