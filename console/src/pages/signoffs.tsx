import { useLocation } from 'preact-iso';
import { type Answer, usePages } from '../data/api.ts';
import { visibleText } from '../data/visible-text.ts';
import { addressWith, Filter } from '../parts/filter.tsx';
import { Badge, Expiry, Foreign, Id, Time, type Tone } from '../parts/format.tsx';
import { PagedList, PageHead, type PageProps, Row } from '../parts/page.tsx';
import { Empty } from '../parts/states.tsx';
import { Tabs } from '../parts/tabs.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Acts that people in several roles approve, before they run once',
    which: 'Which sign-offs',
    open: 'Waiting for approval',
    history: 'All, newest first',
    role: 'Role',
    everyRole: 'Any role',
    by: 'asked by',
    waits: 'waits for',
    requested: 'requested',
    approvals: '{count} of {quorum}',
    none: 'No act waits for approval',
    noneWhy: 'Agents and people request sign-offs over the API or MCP. A new one appears here.',
    noHistory: 'No sign-off was requested yet',
  },
  de: {
    lead: 'Handlungen, die Personen in mehreren Rollen freigeben, bevor sie einmal laufen',
    which: 'Welche Freigaben',
    open: 'Wartet auf Freigabe',
    history: 'Alle, die neuesten zuerst',
    role: 'Rolle',
    everyRole: 'Jede Rolle',
    by: 'erbeten von',
    waits: 'wartet auf',
    requested: 'erbeten',
    approvals: '{count} von {quorum}',
    none: 'Keine Handlung wartet auf Freigabe',
    noneWhy: 'Agenten und Personen bitten über die API oder MCP um Freigaben. Eine neue erscheint hier.',
    noHistory: 'Noch wurde um keine Freigabe gebeten',
  },
});

/** States and roles in words. */
const signOffTexts = inLanguages({
  en: {
    pending: 'waits for approval',
    approved: 'approved, not started',
    denied: 'denied',
    expired: 'expired',
    running: 'running',
    interrupted: 'interrupted',
    done: 'done',
    failed: 'failed',
    developer: 'Developer',
    tech_lead: 'Tech lead',
    qa: 'QA',
    security_reviewer: 'Security reviewer',
    product_owner: 'Product owner',
    architect: 'Architect',
  },
  de: {
    pending: 'wartet auf Freigabe',
    approved: 'freigegeben, nicht begonnen',
    denied: 'abgelehnt',
    expired: 'abgelaufen',
    running: 'läuft',
    interrupted: 'unterbrochen',
    done: 'erledigt',
    failed: 'fehlgeschlagen',
    developer: 'Entwicklung',
    tech_lead: 'Technische Leitung',
    qa: 'Qualitätssicherung',
    security_reviewer: 'Sicherheitsprüfung',
    product_owner: 'Produktverantwortung',
    architect: 'Architektur',
  },
});

type SignOff = Answer<'GET /v1/handoff/signoffs'>['signoffs'][number];
const signOffTone = {
  pending: 'warn',
  approved: 'accent',
  denied: 'bad',
  expired: 'plain',
  running: 'accent',
  interrupted: 'bad',
  done: 'good',
  failed: 'bad',
} as const satisfies Record<SignOff['state'], Tone>;
const approvalsOf = ({ decisions }: Pick<SignOff, 'decisions'>): number =>
  decisions.filter(({ decision }) => decision === 'approve').length;
const ROLES = ['developer', 'tech_lead', 'qa', 'security_reviewer', 'product_owner', 'architect'] as const;

/** What the page of one shares with the list. */
export const signOffs = { texts: signOffTexts, tones: signOffTone, approvalsOf };

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const shared = useTexts(signOffTexts);
  const { query, route } = useLocation();
  const isAll = query.show === 'all';
  const role = query.role ?? '';
  const go = (chosen: Readonly<Record<string, string>>): void => {
    route(addressWith('/console/signoffs', { show: isAll ? 'all' : '', role, ...chosen }), true);
  };
  const pages = usePages('GET /v1/handoff/signoffs', {
    limit: 50,
    ...(isAll ? {} : { state: 'pending' }),
    ...(role === '' ? {} : { role }),
  });
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      <div class="toolbar">
        <Tabs
          label={own.which}
          tabs={[
            ['open', own.open],
            ['all', own.history],
          ]}
          open={isAll ? 'all' : 'open'}
          onOpen={(tab) => go({ show: tab === 'all' ? 'all' : '' })}
        />
        <Filter
          label={own.role}
          every={own.everyRole}
          value={role}
          options={ROLES.map((name) => [name, shared[name]] as const)}
          onChange={(role) => go({ role })}
        />
      </div>
      <div>
        <PagedList
          label={title}
          pages={pages}
          itemsOf={(page) => page.signoffs}
          empty={
            <Empty title={isAll ? own.noHistory : own.none}>
              <p>{own.noneWhy}</p>
            </Empty>
          }
        >
          {(signOff: SignOff) => (
            <Row
              key={signOff.signoff_id}
              href={`/console/signoffs/${signOff.signoff_id}`}
              title={<Foreign>{visibleText(signOff.title)}</Foreign>}
              meta={
                <>
                  <Id>{signOff.act}</Id>
                  <span>
                    {own.by} {signOff.requested_by.kind} <Id>{signOff.requested_by.id}</Id>
                  </span>
                  {signOff.waiting_for.length === 0 ? null : (
                    <span>
                      {own.waits} {signOff.waiting_for.map((name) => shared[name]).join(', ')}
                    </span>
                  )}
                  <span>
                    {own.requested} <Time at={signOff.requested_at} />
                  </span>
                  {signOff.state === 'pending' ? <Expiry at={signOff.expires_at} /> : null}
                </>
              }
              side={
                <>
                  <Badge>{fill(own.approvals, { count: approvalsOf(signOff), quorum: signOff.quorum })}</Badge>
                  <Badge tone={signOffTone[signOff.state]}>{shared[signOff.state]}</Badge>
                </>
              }
            />
          )}
        </PagedList>
      </div>
    </div>
  );
}
