import { useState } from 'preact/hooks';
import { call } from '../../data/api.ts';
import { ActButton } from '../../parts/act.tsx';
import { commandLine } from '../../parts/copy.tsx';
import { fill, inLanguages, useTexts } from '../../texts/languages.ts';
import { formOf, optionsOf, TargetFields, type TargetForm, type TargetSettings } from './target-form.tsx';
import type { Target } from './target-words.ts';

const texts = inLanguages({
  en: {
    change: 'Change',
    title: 'Change {name}',
    lead: 'Only what you change here is changed; the rest stays as it is.',
    nothing: 'Nothing yet: no field differs from what is set.',
    changed: 'Alerts that still last and that it wants only now are sent there too.',
    moved: 'What waits is sent to the new address, with names and labels of alerts.',
  },
  de: {
    change: 'Ändern',
    title: '{name} ändern',
    lead: 'Nur was Sie hier ändern, ändert sich; alles andere bleibt.',
    nothing: 'Noch nichts: kein Feld weicht ab von dem, was eingestellt ist.',
    changed: 'Alarme, die noch bestehen und die es erst jetzt will, gehen auch dorthin.',
    moved: 'Was wartet, geht an die neue Adresse, mit Namen und Labels der Alarme.',
  },
});

/** What differs from the settings before. */
function changesOf(before: TargetForm, form: TargetForm): TargetSettings {
  const is = (name: keyof TargetForm): boolean => String(form[name]) !== String(before[name]);
  return {
    ...(is('name') ? { name: form.name } : {}),
    ...(form.address === '' ? {} : form.kind === 'mail' ? { to: form.address } : { url: form.address }),
    ...(is('sources') ? { sources: [...form.sources] } : {}),
    ...(is('severity') ? { min_severity: form.severity } : {}),
  };
}

/** A button that changes a target. */
export function ChangeTarget({ target }: { readonly target: Target }) {
  const own = useTexts(texts);
  // The edits alone: a change that another administrator makes meanwhile is not taken back.
  const [edits, setEdits] = useState<Partial<TargetForm>>({});
  const before = formOf(target);
  const form = { ...before, ...edits };
  const changes = changesOf(before, form);
  const isChanged = Object.keys(changes).length > 0;
  const { target_id: id } = target;
  return (
    <ActButton
      act={{
        title: fill(own.title, { name: target.name }),
        lead: own.lead,
        verb: own.change,
        blast: form.address === '' ? (isChanged ? own.changed : own.nothing) : own.moved,
        fields: (
          <TargetFields form={form} set={(change) => setEdits({ ...edits, ...change })} address={target.destination} />
        ),
        isReady: isChanged && form.sources.length > 0,
        command: (reason) => commandLine('alert-targets', 'update', id, ...optionsOf(changes), '--reason', reason),
        run: (reason) =>
          call('PATCH /v1/admin/alert-targets/{target_id}', { path: { target_id: id }, body: { ...changes, reason } }),
        onDone: () => setEdits({}),
      }}
    >
      {own.change}
    </ActButton>
  );
}
