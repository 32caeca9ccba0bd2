import { useState } from 'preact/hooks';
import { call } from '../../data/api.ts';
import { ActButton } from '../../parts/act.tsx';
import { commandLine } from '../../parts/copy.tsx';
import { CheckField, SelectField, TextField } from '../../parts/fields.tsx';
import { inLanguages, useTexts } from '../../texts/languages.ts';
import { type Target, useTargetWords } from './target-words.ts';

const texts = inLanguages({
  en: {
    add: 'Add a target',
    lead: 'Alerts that are raised from now on are sent there. Send a test afterwards.',
    blast: 'Names and labels of alerts leave this installation for that address.',
    kind: 'Kind',
    name: 'Name',
    nameHelp: 'What you call it; may be left out',
    url: 'URL',
    urlHelp: 'Kept encrypted; the path of a Slack webhook is never shown again',
    to: 'Mail address',
    severity: 'From this severity on',
    sources: 'What it gets',
    quietFrom: 'Quiet hours begin',
    quietUntil: 'Quiet hours end',
    quietHelp: 'Local time of day. Only critical alerts are sent meanwhile; may be left out',
    zone: 'Time zone',
    escalatesTo: 'Escalate to',
    nobody: 'no other target',
    after: 'Minutes without an acknowledgement',
    onlyEscalated: 'Gets only what another target escalates to it',
  },
  de: {
    add: 'Ziel hinzufügen',
    lead: 'Alarme, die ab jetzt entstehen, gehen dorthin. Senden Sie danach eine Probe.',
    blast: 'Namen und Labels der Alarme verlassen diese Installation an diese Adresse.',
    kind: 'Art',
    name: 'Name',
    nameHelp: 'Wie Sie es nennen; kann fehlen',
    url: 'URL',
    urlHelp: 'Verschlüsselt gespeichert; der Pfad eines Slack-Webhooks wird nie wieder gezeigt',
    to: 'Mailadresse',
    severity: 'Ab dieser Schwere',
    sources: 'Was es bekommt',
    quietFrom: 'Ruhe beginnt',
    quietUntil: 'Ruhe endet',
    quietHelp: 'Ortszeit. Währenddessen gehen nur kritische Alarme hinaus; kann fehlen',
    zone: 'Zeitzone',
    escalatesTo: 'Weiterreichen an',
    nobody: 'kein anderes Ziel',
    after: 'Minuten ohne Bearbeitung',
    onlyEscalated: 'Bekommt nur, was ein anderes Ziel weiterreicht',
  },
});

const KINDS = ['webhook', 'mail', 'slack'] as const satisfies readonly Target['kind'][];
const SOURCES = ['incident', 'control', 'alertmanager'] as const satisfies readonly Target['sources'][number][];
const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const satisfies readonly Target['min_severity'][];
/** As the contract bounds them. */
const MAX = { name: 64, url: 2_048, mail: 254, zone: 64, minutes: 1_440, time: 5 } as const;

const first = {
  kind: 'webhook' as Target['kind'],
  name: '',
  address: '',
  severity: 'medium' as Target['min_severity'],
  sources: [...SOURCES] as readonly Target['sources'][number][],
  quietFrom: '',
  quietUntil: '',
  zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  escalatesTo: '',
  after: '15',
  onlyEscalated: false,
};

/** The body of the operation; what was left empty is left out. */
const bodyOf = (form: typeof first, reason: string) => ({
  kind: form.kind,
  ...(form.name === '' ? {} : { name: form.name }),
  ...(form.kind === 'mail' ? { to: form.address } : { url: form.address }),
  sources: [...form.sources],
  min_severity: form.severity,
  ...(form.quietFrom === '' ? {} : { quiet_from: form.quietFrom }),
  ...(form.quietUntil === '' ? {} : { quiet_until: form.quietUntil }),
  time_zone: form.zone,
  ...(form.escalatesTo === '' ? {} : { escalates_to: form.escalatesTo, escalates_after_minutes: Number(form.after) }),
  only_escalated: form.onlyEscalated,
  reason,
});

/** The same as a command; a URL is read from a file, because that of Slack is a secret. */
const commandOf = (form: typeof first, reason: string): string =>
  commandLine(
    'alert-targets',
    'add',
    form.kind,
    ...(form.name === '' ? [] : ['--name', form.name]),
    ...(form.kind === 'mail' ? ['--to', form.address] : ['--url-file', 'url.txt']),
    '--sources',
    ...form.sources,
    '--min-severity',
    form.severity,
    ...(form.quietFrom === '' ? [] : [`--quiet-from=${form.quietFrom}`]),
    ...(form.quietUntil === '' ? [] : [`--quiet-until=${form.quietUntil}`]),
    '--time-zone',
    form.zone,
    ...(form.escalatesTo === '' ? [] : ['--escalates-to', form.escalatesTo, '--escalates-after', form.after]),
    ...(form.onlyEscalated ? ['--only-escalated'] : []),
    '--reason',
    reason,
  );

/** A button that creates a target. @param targets those that it may escalate to */
export function NewTarget({ targets }: { readonly targets: readonly Target[] }) {
  const own = useTexts(texts);
  const words = useTargetWords();
  const [form, setForm] = useState(first);
  const set = (change: Partial<typeof first>): void => setForm({ ...form, ...change });
  const isMail = form.kind === 'mail';
  const fields = (
    <>
      <SelectField
        label={own.kind}
        value={form.kind}
        options={KINDS.map((kind) => [kind, words.kind(kind)] as const)}
        onChange={(kind) => set({ kind })}
      />
      <TextField
        label={isMail ? own.to : own.url}
        {...(isMail ? {} : { help: own.urlHelp })}
        type={isMail ? 'email' : 'url'}
        value={form.address}
        max={isMail ? MAX.mail : MAX.url}
        isRequired
        onChange={(address) => set({ address })}
      />
      <TextField
        label={own.name}
        help={own.nameHelp}
        value={form.name}
        max={MAX.name}
        onChange={(name) => set({ name })}
      />
      <SelectField
        label={own.severity}
        value={form.severity}
        options={SEVERITIES.map((severity) => [severity, severity] as const)}
        onChange={(severity) => set({ severity })}
      />
      <fieldset class="checks">
        <legend>{own.sources}</legend>
        {SOURCES.map((source) => (
          <CheckField
            key={source}
            label={words.source(source)}
            isChecked={form.sources.includes(source)}
            onChange={(isChecked) =>
              set({ sources: SOURCES.filter((each) => (each === source ? isChecked : form.sources.includes(each))) })
            }
          />
        ))}
      </fieldset>
      <div class="pair">
        <TextField
          label={own.quietFrom}
          type="time"
          value={form.quietFrom}
          max={MAX.time}
          onChange={(quietFrom) => set({ quietFrom })}
        />
        <TextField
          label={own.quietUntil}
          type="time"
          value={form.quietUntil}
          max={MAX.time}
          onChange={(quietUntil) => set({ quietUntil })}
        />
      </div>
      <TextField
        label={own.zone}
        help={own.quietHelp}
        value={form.zone}
        max={MAX.zone}
        isRequired
        onChange={(zone) => set({ zone })}
      />
      <SelectField
        label={own.escalatesTo}
        value={form.escalatesTo}
        options={[
          ['', own.nobody] as const,
          ...targets.map(({ target_id: id, name }) => [id as string, name] as const),
        ]}
        onChange={(escalatesTo) => set({ escalatesTo })}
      />
      {form.escalatesTo === '' ? null : (
        <TextField
          label={own.after}
          type="number"
          value={form.after}
          max={MAX.minutes}
          isRequired
          onChange={(after) => set({ after })}
        />
      )}
      <CheckField
        label={own.onlyEscalated}
        isChecked={form.onlyEscalated}
        onChange={(onlyEscalated) => set({ onlyEscalated })}
      />
    </>
  );
  return (
    <ActButton
      act={{
        title: own.add,
        lead: own.lead,
        verb: own.add,
        blast: own.blast,
        fields,
        command: (reason) => commandOf(form, reason),
        run: (reason) => call('POST /v1/admin/alert-targets', { body: bodyOf(form, reason) }),
        onDone: () => setForm(first),
      }}
    >
      {own.add}
    </ActButton>
  );
}
