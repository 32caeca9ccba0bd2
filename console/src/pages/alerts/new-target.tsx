import { useState } from 'preact/hooks';
import { call } from '../../data/api.ts';
import { ActButton } from '../../parts/act.tsx';
import { commandLine } from '../../parts/copy.tsx';
import { inLanguages, useTexts } from '../../texts/languages.ts';
import { newTarget, optionsOf, TargetFields, type TargetForm, type TargetSettings } from './target-form.tsx';

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
const settingsOf = (form: TargetForm): TargetSettings => ({
  ...(form.name === '' ? {} : { name: form.name }),
  ...(form.kind === 'mail' ? { to: form.address } : { url: form.address }),
  sources: [...form.sources],
  min_severity: form.severity,
});

/** A button that creates a target. */
export function NewTarget() {
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
        fields: <TargetFields form={form} set={(change) => setForm({ ...form, ...change })} />,
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
