import { useCan } from '../data/session.tsx';
import type { PartProps } from '../fold/resource.ts';
import { inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({ en: { people: 'Who has this role' }, de: { people: 'Wer diese Rolle hat' } });

/** Who has the role: the list of people, filtered. */
function Above({ id }: PartProps) {
  const own = useTexts(texts);
  const can = useCan();
  if (!can('users:read')) return null;
  return (
    <p>
      <a href={`/console/people?${new URLSearchParams({ role: id })}`}>{own.people}</a>
    </p>
  );
}

export const parts = { Above };
