import { useLocation } from 'preact-iso';
import { useCan, useSession } from '../data/session.tsx';
import { PageHead, type PageProps } from '../parts/page.tsx';
import { Tabs } from '../parts/tabs.tsx';
import { inLanguages, useTexts } from '../texts/languages.ts';
import { Backups } from './imports/backups.tsx';
import { ImportList } from './imports/import-list.tsx';

const texts = inLanguages({
  en: {
    lead: 'Users that came from other systems, and whether what is here could be restored',
    which: 'Which view',
    imports: 'Imports',
    backups: 'Backups',
  },
  de: {
    lead: 'Benutzer aus anderen Systemen, und ob sich wiederherstellen ließe, was hier ist',
    which: 'Welche Ansicht',
    imports: 'Importe',
    backups: 'Sicherungen',
  },
});
const TABS = ['imports', 'backups'] as const;

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const can = useCan();
  const { left_out: leftOut } = useSession();
  const { query, route } = useLocation();
  const hasControls = can('compliance:read') && !leftOut.includes('compliance');
  const hasBackups = hasControls || can('audit:read');
  const open = query.show === 'backups' && hasBackups ? 'backups' : 'imports';
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      {hasBackups ? (
        <div class="toolbar">
          <Tabs
            label={own.which}
            tabs={TABS.map((tab) => [tab, own[tab]] as const)}
            open={open}
            onOpen={(tab) => route(`/console/imports${tab === 'imports' ? '' : `?show=${tab}`}`, true)}
          />
        </div>
      ) : null}
      {open === 'imports' ? <ImportList /> : <Backups hasControls={hasControls} hasEvents={can('audit:read')} />}
    </div>
  );
}
