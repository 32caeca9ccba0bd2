import { useState } from 'preact/hooks';
import { call } from '../../data/api.ts';
import { ActButton } from '../../parts/act.tsx';
import { commandLine } from '../../parts/copy.tsx';
import { inLanguages, useTexts } from '../../texts/languages.ts';
import { newTarget, optionsOf, TargetFields, type TargetForm, type TargetSettings } from './target-form.tsx';
import type { Target } from './target-words.ts';

const texts = inLanguages({
  en: {
    add: 'Add a target',
    lead: 'Alerts that are raised from now on are sent there. Send a test afterwards.',
    blast: 'Names and labels of alerts leave this installation for that address.',
  },
  de: {
    add: 'Ziel hinzufügen',
    lead: 'Alarme, die ab jetzt entstehen, gehen dorthin. Senden Sie danach einen Test.',
    blast: 'Namen und Labels der Alarme verlassen diese Installation an diese Adresse.',
  },
});

/** What was left empty is left out. */
const settingsOf = (
  form: TargetForm,
): TargetSettings & { readonly quiet_from?: string; readonly escalates_to?: string } => ({
  ...(form.name === '' ? {} : { name: form.name }),
  ...(form.kind === 'mail' ? { to: form.address } : { url: form.address }),
  sources: [...form.sources],
  min_severity: form.severity,
  ...(form.quietFrom === '' ? {} : { quiet_from: form.quietFrom, quiet_until: form.quietUntil }),
  time_zone: form.zone,
  ...(form.escalatesTo === '' ? {} : { escalates_to: form.escalatesTo, escalates_after_minutes: Number(form.after) }),
  ...(form.onlyEscalated ? { only_escalated: true } : {}),
});

/** A button that creates a target. @param targets those that it may escalate to */
export function NewTarget({ targets }: { readonly targets: readonly Target[] }) {
  const own = useTexts(texts);
  const [form, setForm] = useState(newTarget);
  const settings = settingsOf(form);
  return (
    <ActButton
      act={{
        title: own.add,
        lead: own.lead,
        verb: own.add,
        blast: own.blast,
        fields: <TargetFields form={form} set={(change) => setForm({ ...form, ...change })} others={targets} />,
        isReady: form.sources.length > 0,
        command: (reason) => commandLine('alert-targets', 'add', form.kind, ...optionsOf(settings), '--reason', reason),
        run: (reason) => call('POST /v1/admin/alert-targets', { body: { kind: form.kind, ...settings, reason } }),
        onDone: () => setForm(newTarget),
      }}
    >
      {own.add}
    </ActButton>
  );
}
