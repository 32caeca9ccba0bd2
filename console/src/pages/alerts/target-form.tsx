import { CheckField, SelectField, TextField } from '../../parts/fields.tsx';
import { severityNames } from '../../parts/severity.tsx';
import { fill, inLanguages, useTexts } from '../../texts/languages.ts';
import { type Target, useTargetWords } from './target-words.ts';

const texts = inLanguages({
  en: {
    kind: 'Kind',
    name: 'Name',
    nameHelp: 'Optional: what you call it',
    url: 'URL',
    urlHelp: 'Kept encrypted; the path of a Slack webhook is never shown again',
    to: 'Mail address',
    keep: 'Empty: as before, {address}',
    severity: 'From this severity on',
    sources: 'What it gets',
    quietFrom: 'Quiet hours begin',
    quietUntil: 'Quiet hours end',
    quietHelp: 'Optional, in local time of day. Only critical alerts are sent meanwhile.',
    zone: 'Time zone',
    escalatesTo: 'Escalate to',
    nobody: 'no other target',
    after: 'Minutes without an acknowledgement',
    onlyEscalated: 'Gets only what another target escalates to it',
  },
  de: {
    kind: 'Art',
    name: 'Name',
    nameHelp: 'Optional: wie Sie es nennen',
    url: 'URL',
    urlHelp: 'Verschlüsselt gespeichert; der Pfad eines Slack-Webhooks wird nie wieder gezeigt',
    to: 'Mailadresse',
    keep: 'Leer: wie bisher, {address}',
    severity: 'Ab dieser Schwere',
    sources: 'Was es bekommt',
    quietFrom: 'Ruhe beginnt',
    quietUntil: 'Ruhe endet',
    quietHelp: 'Optional, in Ortszeit. Währenddessen gehen nur kritische Alarme hinaus.',
    zone: 'Zeitzone',
    escalatesTo: 'Weiterreichen an',
    nobody: 'kein anderes Ziel',
    after: 'Minuten ohne Übernahme',
    onlyEscalated: 'Bekommt nur, was ein anderes Ziel weiterreicht',
  },
});

const KINDS = ['webhook', 'mail', 'slack'] as const satisfies readonly Target['kind'][];
const SOURCES = ['incident', 'control', 'alertmanager'] as const satisfies readonly Target['sources'][number][];
const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const satisfies readonly Target['min_severity'][];
/** As the contract bounds them. */
const MAX = { name: 64, url: 2_048, mail: 254, zone: 64, minutes: 1_440, time: 5 } as const;

/** The settings of a target as they are typed; what is empty is not set. */
export type TargetForm = {
  readonly kind: Target['kind'];
  readonly name: string;
  readonly address: string;
  readonly severity: Target['min_severity'];
  readonly sources: readonly Target['sources'][number][];
  readonly quietFrom: string;
  readonly quietUntil: string;
  readonly zone: string;
  readonly escalatesTo: string;
  readonly after: string;
  readonly onlyEscalated: boolean;
};

const AFTER_MINUTES = '15';

export const newTarget: TargetForm = {
  kind: 'webhook',
  name: '',
  address: '',
  severity: 'medium',
  sources: SOURCES,
  quietFrom: '',
  quietUntil: '',
  zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  escalatesTo: '',
  after: AFTER_MINUTES,
  onlyEscalated: false,
};

/** The settings of a target that exists. Its address is empty: that of Slack is a secret, and an empty one stays. */
export const formOf = (target: Target): TargetForm => ({
  kind: target.kind,
  name: target.name,
  address: '',
  severity: target.min_severity,
  sources: SOURCES.filter((source) => target.sources.includes(source)),
  quietFrom: target.quiet_from ?? '',
  quietUntil: target.quiet_until ?? '',
  zone: target.time_zone,
  escalatesTo: target.escalates_to ?? '',
  after: String(target.escalates_after_minutes ?? AFTER_MINUTES),
  onlyEscalated: target.only_escalated,
});

/** Settings as the operations take them; null takes back what is set. */
export type TargetSettings = {
  readonly name?: string;
  readonly url?: string;
  readonly to?: string;
  readonly sources?: Target['sources'];
  readonly min_severity?: Target['min_severity'];
  readonly quiet_from?: string | null;
  readonly quiet_until?: string;
  readonly time_zone?: string;
  readonly escalates_to?: string | null;
  readonly escalates_after_minutes?: number;
  readonly only_escalated?: boolean;
};

/** Options whose name is not that of the setting. A URL is read from a file, because that of Slack is a secret. */
const OPTIONS: Readonly<Record<string, string>> = { url: 'url-file', escalates_after_minutes: 'escalates-after' };

/** The same as options of the command. */
export const optionsOf = (settings: TargetSettings): readonly string[] =>
  Object.entries(settings).flatMap(([setting, value]) => {
    const name = OPTIONS[setting] ?? setting.replaceAll('_', '-');
    if (value === null || value === false) return [`--no-${name}`];
    return value === true ? [`--${name}`] : [`--${name}`, setting === 'url' ? 'url.txt' : String(value)];
  });

/**
 * The fields of a target.
 * @param others those that it may escalate to
 * @param address what is shown of its address, if it has one
 */
export function TargetFields({
  form,
  set,
  others,
  address,
}: {
  readonly form: TargetForm;
  readonly set: (change: Partial<TargetForm>) => void;
  readonly others: readonly Target[];
  readonly address?: string;
}) {
  const own = useTexts(texts);
  const severities = useTexts(severityNames);
  const words = useTargetWords();
  const isMail = form.kind === 'mail';
  const isNew = address === undefined;
  const addressHelp = isNew ? (isMail ? undefined : own.urlHelp) : fill(own.keep, { address });
  return (
    <>
      {isNew ? (
        <SelectField
          label={own.kind}
          value={form.kind}
          options={KINDS.map((kind) => [kind, words.kind(kind)] as const)}
          onChange={(kind) => set({ kind })}
        />
      ) : null}
      <TextField
        label={isMail ? own.to : own.url}
        {...(addressHelp === undefined ? {} : { help: addressHelp })}
        type={isMail ? 'email' : 'url'}
        value={form.address}
        max={isMail ? MAX.mail : MAX.url}
        isRequired={isNew}
        onChange={(typed) => set({ address: typed })}
      />
      <TextField
        label={own.name}
        {...(isNew ? { help: own.nameHelp } : {})}
        value={form.name}
        max={MAX.name}
        isRequired={!isNew}
        onChange={(name) => set({ name })}
      />
      <SelectField
        label={own.severity}
        value={form.severity}
        options={SEVERITIES.map((severity) => [severity, severities[severity]] as const)}
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
          isRequired={form.quietUntil !== ''}
          onChange={(quietFrom) => set({ quietFrom })}
        />
        <TextField
          label={own.quietUntil}
          type="time"
          value={form.quietUntil}
          max={MAX.time}
          isRequired={form.quietFrom !== ''}
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
        options={[['', own.nobody] as const, ...others.map(({ target_id: id, name }) => [id as string, name] as const)]}
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
}
