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
    quiet: 'Quiet from {from} to {until} ({zone}), except for critical alerts',
    loud: 'At every hour',
    escalates: 'To {name} after {minutes} min without an acknowledgement',
    escalatesNot: 'To no other target',
    removed: 'a removed target',
  },
  de: {
    webhook: 'Webhook',
    mail: 'Mail',
    slack: 'Slack',
    incident: 'Vorfälle',
    control: 'Kontrollen',
    alertmanager: 'Alertmanager',
    from: 'ab {severity}',
    quiet: 'Ruhe von {from} bis {until} ({zone}), außer für kritische Alarme',
    loud: 'Zu jeder Stunde',
    escalates: 'An {name}, wenn {minutes} min lang niemand ihn übernimmt',
    escalatesNot: 'An kein anderes Ziel',
    removed: 'ein entferntes Ziel',
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
    quiet: ({ quiet_from: from, quiet_until: until, time_zone: zone }: Target): string =>
      from === null || until === null ? own.loud : fill(own.quiet, { from, until, zone }),
    escalates: ({ escalates_to: to, escalates_after_minutes: minutes }: Target, all: readonly Target[]): string =>
      to === null
        ? own.escalatesNot
        : fill(own.escalates, {
            name: all.find(({ target_id: id }) => id === to)?.name ?? own.removed,
            minutes: minutes ?? 0,
          }),
  };
}
