import type { Answer } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import type { PartProps } from '../fold/resource.ts';
import { useWords } from '../fold/words.ts';
import { Section } from '../parts/page.tsx';
import { Empty } from '../parts/states.tsx';
import { actionNames, effectTexts, seenTexts, undoTexts } from '../texts/detections.ts';
import { inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    what: 'What was seen',
    event: 'Last event',
    done: 'What was done at once',
    nothing: 'Nothing was done automatically',
    nothingWhy: 'This detection only reports, or it did not know what to act on.',
    undo: 'Undo:',
  },
  de: {
    what: 'Was gesehen wurde',
    event: 'Letztes Ereignis',
    done: 'Was sofort geschah',
    nothing: 'Nichts geschah automatisch',
    nothingWhy: 'Diese Erkennung meldet nur, oder worauf sie gewirkt hätte, war nicht bekannt.',
    undo: 'Rückgängig:',
  },
});

type Incident = Answer<'GET /v1/admin/incidents/{incident_id}'>;

/** A text by a name that a newer or older release may have given. */
const byName = (texts: Readonly<Record<string, string>>, name: string): string | undefined => texts[name];

function Actions({ incident }: { readonly incident: Incident }) {
  const own = useTexts(texts);
  const names = useTexts(actionNames);
  const effects = useTexts(effectTexts);
  const undoing = useTexts(undoTexts);
  const words = useWords('incidents');
  if (incident.actions.length === 0)
    return (
      <Empty title={own.nothing}>
        <p>{own.nothingWhy}</p>
      </Empty>
    );
  return (
    <ul class="steps" aria-label={own.done}>
      {incident.actions.map((action) => (
        <li key={action}>
          <strong>{byName(names, action) ?? words.value(action)}</strong>
          <p>{byName(effects, action)}</p>
          <p class="dim">
            {own.undo} {byName(undoing, action)}
          </p>
        </li>
      ))}
    </ul>
  );
}

/** What was seen, by the sealed event that it was seen in, and what was done at once. */
function Above({ item }: PartProps) {
  const incident = item as Incident;
  const own = useTexts(texts);
  const seen = useTexts(seenTexts);
  const can = useCan();
  const { seq } = incident.detail;
  return (
    <>
      <Section title={own.what}>
        <p class="why">{byName(seen, incident.detection)}</p>
        {typeof seq !== 'number' ? null : (
          <p>
            {own.event} {can('audit:read') ? <a href={`/console/audit/${seq}`}>{seq}</a> : seq}
          </p>
        )}
      </Section>
      <Section title={own.done}>
        <Actions incident={incident} />
      </Section>
    </>
  );
}

export const parts = { Above };
