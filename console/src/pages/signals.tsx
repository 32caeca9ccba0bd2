import { useLocation } from 'preact-iso';
import { useCan, useSession } from '../data/session.tsx';
import { PageHead, type PageProps } from '../parts/page.tsx';
import { Tabs } from '../parts/tabs.tsx';
import { inLanguages, useTexts } from '../texts/languages.ts';
import { Received } from './signals/received.tsx';
import { Siem } from './signals/siem.tsx';
import { Streams } from './signals/streams.tsx';
import { Transmitters } from './signals/transmitters.tsx';

const texts = inLanguages({
  en: {
    lead: 'Which systems learn of ended access here, and which may end it',
    which: 'Which view',
    streams: 'Receivers',
    transmitters: 'Transmitters',
    received: 'Received',
    siem: 'SIEM export',
  },
  de: {
    lead: 'Welche Systeme von beendetem Zugriff erfahren, und welche ihn beenden dürfen',
    which: 'Welche Ansicht',
    streams: 'Empfänger',
    transmitters: 'Sender',
    received: 'Eingetroffen',
    siem: 'SIEM-Export',
  },
});
const TABS = ['streams', 'transmitters', 'received', 'siem'] as const;
const VIEWS = { streams: Streams, transmitters: Transmitters, received: Received, siem: Siem } as const;

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const can = useCan();
  const { left_out: leftOut } = useSession();
  const { query, route } = useLocation();
  const hasSiem = can('siem:manage') && !leftOut.includes('handoff');
  const tabs = TABS.filter((tab) => tab !== 'siem' || hasSiem);
  const open = tabs.find((tab) => tab === query.show) ?? 'streams';
  const View = VIEWS[open];
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      <div class="toolbar">
        <Tabs
          label={own.which}
          tabs={tabs.map((tab) => [tab, own[tab]] as const)}
          open={open}
          onOpen={(tab) => route(`/console/signals${tab === 'streams' ? '' : `?show=${tab}`}`, true)}
        />
      </div>
      <View />
    </div>
  );
}
