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
  },
});

const KINDS = ['webhook', 'mail', 'slack'] as const satisfies readonly Target['kind'][];
const SOURCES = ['incident', 'control', 'alertmanager'] as const satisfies readonly Target['sources'][number][];
const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const satisfies readonly Target['min_severity'][];
/** As the contract bounds them. */
const MAX = { name: 64, url: 2_048, mail: 254 } as const;

/** The settings of a target as they are typed; what is empty is not set. */
export type TargetForm = {
  readonly kind: Target['kind'];
  readonly name: string;
  readonly address: string;
  readonly severity: Target['min_severity'];
  readonly sources: readonly Target['sources'][number][];
};

export const newTarget: TargetForm = {
  kind: 'webhook',
  name: '',
  address: '',
  severity: 'medium',
  sources: SOURCES,
};

/** The settings of a target that exists. Its address is empty: that of Slack is a secret, and an empty one stays. */
export const formOf = (target: Target): TargetForm => ({
  kind: target.kind,
  name: target.name,
  address: '',
  severity: target.min_severity,
  sources: SOURCES.filter((source) => target.sources.includes(source)),
});

/** Settings as the operations take them. */
export type TargetSettings = {
  readonly name?: string;
  readonly url?: string;
  readonly to?: string;
  readonly sources?: Target['sources'];
  readonly min_severity?: Target['min_severity'];
};

/** The same as options of the command. A URL is read from a file, because that of Slack is a secret. */
export const optionsOf = (settings: TargetSettings): readonly string[] =>
  Object.entries(settings).flatMap(([setting, value]) =>
    setting === 'url' ? ['--url-file', 'url.txt'] : [`--${setting.replaceAll('_', '-')}`, String(value)],
  );

/**
 * The fields of a target.
 * @param address what is shown of its address, if it has one
 */
export function TargetFields({
  form,
  set,
  address,
}: {
  readonly form: TargetForm;
  readonly set: (change: Partial<TargetForm>) => void;
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
    </>
  );
}
