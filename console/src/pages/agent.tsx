import { call, useRead } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { ActButton } from '../parts/act.tsx';
import { CopyId, commandLine } from '../parts/copy.tsx';
import { Events } from '../parts/events.tsx';
import { Badge, Foreign, Id, Time } from '../parts/format.tsx';
import { Facts, PageHead, type PageProps, Section } from '../parts/page.tsx';
import { Reach } from '../parts/reach.tsx';
import { Shown } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';
import { type Agent, agentTexts, agentTone } from './agents.tsx';

const texts = inLanguages({
  en: {
    all: 'Agents',
    about: 'Agent',
    id: 'Id',
    owner: 'Owner',
    created: 'Registered',
    seen: 'Last seen',
    heartbeat: 'Reports every',
    seconds: '{count} seconds',
    expires: 'Expires',
    killed: 'Killed',
    rights: 'What it may do',
    scopes: 'With tokens of its owner',
    credentialScopes: 'By itself',
    audiences: 'Audiences',
    capabilities: 'Capabilities, in its own words',
    method: 'Authenticates by',
    dpop: 'Tokens bound to its key',
    did: 'What it did',
    noAudit: 'What it did is in the audit log, which needs the permission audit:read.',
    kill: 'Kill',
    killTitle: 'Kill {name} for good',
    killLead:
      'Every token of the agent, and every token that it got for its owner, is refused within a second. Its open sign-offs fail. It cannot be undone; register a new agent in its place.',
  },
  de: {
    all: 'Agenten',
    about: 'Agent',
    id: 'ID',
    owner: 'Inhaber',
    created: 'Registriert',
    seen: 'Zuletzt gesehen',
    heartbeat: 'Meldet sich alle',
    seconds: '{count} Sekunden',
    expires: 'Läuft ab',
    killed: 'Beendet',
    rights: 'Was er darf',
    scopes: 'Mit Tokens seines Inhabers',
    credentialScopes: 'Aus sich selbst',
    audiences: 'Zielgruppen',
    capabilities: 'Fähigkeiten, in seinen Worten',
    method: 'Weist sich aus mit',
    dpop: 'Tokens an seinen Schlüssel gebunden',
    did: 'Was er tat',
    noAudit: 'Was er tat, steht im Audit-Protokoll; das braucht die Berechtigung audit:read.',
    kill: 'Beenden',
    killTitle: '{name} endgültig beenden',
    killLead:
      'Jedes Token des Agenten, und jedes, das er für seinen Inhaber bekam, wird binnen einer Sekunde abgelehnt. Seine offenen Freigaben scheitern. Das ist endgültig; registrieren Sie einen neuen Agenten an seiner Stelle.',
  },
});

function Kill({ agent: { agent_id: id, name } }: { readonly agent: Agent }) {
  const own = useTexts(texts);
  return (
    <ActButton
      act={{
        title: fill(own.killTitle, { name }),
        lead: own.killLead,
        verb: own.kill,
        isHarmful: true,
        blast: <Reach of={{ client_id: id }} />,
        command: (reason) => commandLine('agents', 'kill', id, '--reason', reason),
        run: (reason) => call('POST /v1/admin/agents/{agent_id}/kill', { path: { agent_id: id }, body: { reason } }),
      }}
    >
      {own.kill}
    </ActButton>
  );
}

const listed = (values: readonly string[]) => <Foreign>{values.join(', ') || '–'}</Foreign>;

export function Page({ params, title }: PageProps) {
  const id = params.id ?? '';
  const own = useTexts(texts);
  const shared = useTexts(agentTexts);
  const can = useCan();
  const query = useRead('GET /v1/admin/agents/{agent_id}', { path: { agent_id: id } });
  return (
    <div class="page">
      <p class="crumb">
        <a href="/console/agents">{own.all}</a>
      </p>
      {query.data === undefined ? <PageHead title={title} /> : null}
      <Shown query={query} lines={5}>
        {(agent) => (
          <>
            <PageHead title={agent.name} badges={<Badge tone={agentTone[agent.status]}>{shared[agent.status]}</Badge>}>
              {can('agents:manage') && agent.killed_at === null ? <Kill agent={agent} /> : null}
            </PageHead>
            <div class="grid">
              <Section title={own.about}>
                <Facts
                  items={[
                    [own.id, <CopyId>{agent.agent_id}</CopyId>],
                    [
                      own.owner,
                      can('users:read') ? (
                        <a href={`/console/people/${encodeURIComponent(agent.owner_id)}`}>
                          <Id>{agent.owner_id}</Id>
                        </a>
                      ) : (
                        <Id>{agent.owner_id}</Id>
                      ),
                    ],
                    [own.created, <Time at={agent.created_at} />],
                    [own.seen, <Time at={agent.last_seen_at} />],
                    [own.heartbeat, fill(own.seconds, { count: agent.heartbeat_seconds })],
                    [own.expires, <Time at={agent.expires_at} />],
                    ...(agent.killed_at === null ? [] : [[own.killed, <Time at={agent.killed_at} />] as const]),
                  ]}
                />
              </Section>
              <Section title={own.rights}>
                <Facts
                  items={[
                    [own.scopes, listed(agent.scopes)],
                    [own.credentialScopes, listed(agent.credential_scopes)],
                    [own.audiences, listed(agent.audiences)],
                    [own.capabilities, listed(agent.capabilities)],
                    [own.method, agent.auth_method],
                    [own.dpop, agent.dpop_bound_access_tokens ? '✓' : '–'],
                  ]}
                />
              </Section>
            </div>
            {can('audit:read') ? (
              <Events title={own.did} of={{ client: agent.agent_id }} />
            ) : (
              <p class="dim">{own.noAudit}</p>
            )}
          </>
        )}
      </Shown>
    </div>
  );
}
