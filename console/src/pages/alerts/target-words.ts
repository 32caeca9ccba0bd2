import type { Answer } from '../../data/api.ts';
import { severityNames } from '../../parts/severity.tsx';
import { fill, inLanguages, useTexts } from '../../texts/languages.ts';

const texts = inLanguages({
  en: {
    webhook: 'Webhook',
    mail: 'Mail',
    slack: 'Slack',
    incident: 'incidents',
    control: 'controls',
    alertmanager: 'Alertmanager',
    from: '{severity} and above',
  },
  de: {
    webhook: 'Webhook',
    mail: 'Mail',
    slack: 'Slack',
    incident: 'Vorfälle',
    control: 'Kontrollen',
    alertmanager: 'Alertmanager',
    from: 'ab {severity}',
  },
});

export type Target = Answer<'GET /v1/admin/alert-targets'>['targets'][number];

/** What a target gets and when, in words. */
export function useTargetWords() {
  const own = useTexts(texts);
  const severities = useTexts(severityNames);
  return {
    kind: (of: Target['kind']): string => own[of],
    source: (of: Target['sources'][number]): string => own[of],
    severity: (of: Target['min_severity']): string => fill(own.from, { severity: severities[of] }),
  };
}
