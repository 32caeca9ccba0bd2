import { useRead } from '../../data/api.ts';
import { Badge } from '../../parts/format.tsx';
import { Row, Section } from '../../parts/page.tsx';
import { inLanguages, useTexts } from '../../texts/languages.ts';

const texts = inLanguages({
  en: {
    title: 'First steps',
    done: 'done',
    SMTP_URL: 'Send mail: set SMTP_URL. Without it, mails are written to files.',
    'backups-recent': 'Back up each day: write to BACKUP_FOLDER, or let PostgreSQL archive its WAL',
    KEY_ENCRYPTION_KEY: 'Set KEY_ENCRYPTION_KEY, and keep a copy of it apart from the backups',
    'second-administrator': 'Invite a second administrator: a lost account must not cost everything',
    'first-client': 'Create a client for the first application that signs users in',
  },
  de: {
    title: 'Erste Schritte',
    done: 'erledigt',
    SMTP_URL: 'E-Mails senden: SMTP_URL setzen. Ohne das landen sie in Dateien.',
    'backups-recent': 'Täglich sichern: in BACKUP_FOLDER schreiben, oder PostgreSQL sein WAL archivieren lassen',
    KEY_ENCRYPTION_KEY: 'KEY_ENCRYPTION_KEY setzen, und eine Kopie getrennt von den Sicherungen verwahren',
    'second-administrator': 'Zweiten Administrator einladen: ein verlorenes Konto darf nicht alles kosten',
    'first-client': 'Einen Client für die erste Anwendung anlegen, die Benutzer anmeldet',
  },
});

/** Where a step is done or seen, for those who may know of it. */
const PAGES: Readonly<Record<string, string>> = {
  'backups-recent': '/console/compliance/backups-recent',
  'second-administrator': '/console/people',
  'first-client': '/console/clients',
};

/** What a new installation needs first, until all that the reader may know of is done. */
export function FirstSteps() {
  const own = useTexts(texts);
  const { data } = useRead('GET /v1/admin/first-steps', {}, { refetchInterval: 15_000 });
  if (!data?.steps.some(({ done }) => !done)) return null;
  return (
    <Section title={own.title}>
      <ul class="rows" aria-label={own.title}>
        {data.steps.map(({ name, done }) => (
          <Row
            key={name}
            href={PAGES[name]}
            title={own[name as keyof typeof own] ?? name}
            side={done ? <Badge tone="good">{own.done}</Badge> : undefined}
          />
        ))}
      </ul>
    </Section>
  );
}
