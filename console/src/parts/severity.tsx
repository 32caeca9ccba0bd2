import { inLanguages, useTexts } from '../texts/languages.ts';
import { Badge, type Tone } from './format.tsx';

/** Names of the severities of incidents and alerts. */
export const severityNames = inLanguages({
  en: { low: 'Low', medium: 'Medium', high: 'High', critical: 'Critical' },
  de: { low: 'Niedrig', medium: 'Mittel', high: 'Hoch', critical: 'Kritisch' },
});

type SeverityName = 'low' | 'medium' | 'high' | 'critical';
const tones = { low: 'plain', medium: 'warn', high: 'bad', critical: 'bad' } as const satisfies Record<
  SeverityName,
  Tone
>;

export function Severity({ of }: { readonly of: SeverityName }) {
  return <Badge tone={tones[of]}>{useTexts(severityNames)[of]}</Badge>;
}
