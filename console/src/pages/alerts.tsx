import { useLocation } from 'preact-iso';
import { PageHead, type PageProps } from '../parts/page.tsx';
import { Tabs } from '../parts/tabs.tsx';
import { inLanguages, useTexts } from '../texts/languages.ts';
import { Raised } from './alerts/raised.tsx';
import { Silences } from './alerts/silences.tsx';
import { Targets } from './alerts/targets.tsx';

const texts = inLanguages({
  en: {
    lead: 'What was raised by incidents, controls and the monitoring system, and where it is sent',
    which: 'Which view',
    alerts: 'Alerts',
    targets: 'Targets',
    silences: 'Silences',
  },
  de: {
    lead: 'Was Vorfälle, Kontrollen und die Überwachung gemeldet haben, und wohin es geht',
    which: 'Welche Ansicht',
    alerts: 'Alarme',
    targets: 'Ziele',
    silences: 'Stummschaltungen',
  },
});
const TABS = ['alerts', 'targets', 'silences'] as const;

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const { query, route } = useLocation();
  const open = TABS.find((tab) => tab === query.show) ?? 'alerts';
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      <div class="toolbar">
        <Tabs
          label={own.which}
          tabs={TABS.map((tab) => [tab, own[tab]] as const)}
          open={open}
          onOpen={(tab) => route(`/console/alerts${tab === 'alerts' ? '' : `?show=${tab}`}`, true)}
        />
      </div>
      {open === 'alerts' ? <Raised /> : open === 'targets' ? <Targets /> : <Silences />}
    </div>
  );
}
