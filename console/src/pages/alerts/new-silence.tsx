import { useState } from 'preact/hooks';
import { call } from '../../data/api.ts';
import { ActButton } from '../../parts/act.tsx';
import { commandLine } from '../../parts/copy.tsx';
import { SelectField, TextField } from '../../parts/fields.tsx';
import { exactTime } from '../../parts/format.tsx';
import { fill, inLanguages, useLanguage, useTexts } from '../../texts/languages.ts';

const texts = inLanguages({
  en: {
    silence: 'Silence',
    title: 'Silence alerts',
    lead: 'Alerts that have all these labels are not sent until then. They are still shown here.',
    matchers: 'Labels',
    matchersHelp: 'Separated by spaces, as source=control name=restore-drill',
    duration: 'How long',
    blast: 'Nobody is told of these alerts until {until}, also of critical ones.',
    hour: 'An hour',
    shift: 'Eight hours',
    day: 'A day',
    week: 'A week',
  },
  de: {
    silence: 'Stummschalten',
    title: 'Alarme stummschalten',
    lead: 'Alarme, die alle diese Labels haben, werden bis dahin nicht gesendet. Hier erscheinen sie weiter.',
    matchers: 'Labels',
    matchersHelp: 'Durch Leerzeichen getrennt, etwa source=control name=restore-drill',
    duration: 'Wie lange',
    blast: 'Niemand erfährt bis {until} von diesen Alarmen, auch nicht von kritischen.',
    hour: 'Eine Stunde',
    shift: 'Acht Stunden',
    day: 'Einen Tag',
    week: 'Eine Woche',
  },
});

const HOURS = { hour: 1, shift: 8, day: 24, week: 168 } as const;
type Length = keyof typeof HOURS;
const LENGTHS = Object.keys(HOURS) as Length[];
const MATCHERS_MAX = 1_000;

/** Until when, from now, to the minute. */
const untilOf = (length: Length): string =>
  new Date(Math.ceil((Date.now() + HOURS[length] * 3_600_000) / 60_000) * 60_000).toISOString();

/** A button that creates a silence. @param matchers the labels that it begins with, as `source=control` */
export function NewSilence({ matchers = [] }: { readonly matchers?: readonly string[] }) {
  const own = useTexts(texts);
  const language = useLanguage();
  const [labels, setLabels] = useState(matchers.join(' '));
  const [length, setLength] = useState<Length>('hour');
  const until = untilOf(length);
  const given = labels.split(/\s+/).filter((label) => label !== '');
  return (
    <ActButton
      act={{
        title: own.title,
        lead: own.lead,
        verb: own.silence,
        blast: fill(own.blast, { until: exactTime(until, language) }),
        fields: (
          <>
            <TextField
              label={own.matchers}
              help={own.matchersHelp}
              value={labels}
              max={MATCHERS_MAX}
              isRequired
              onChange={setLabels}
            />
            <SelectField
              label={own.duration}
              value={length}
              options={LENGTHS.map((name) => [name, own[name]] as const)}
              onChange={setLength}
            />
          </>
        ),
        command: (reason) => commandLine('silences', 'add', '--match', ...given, '--until', until, '--reason', reason),
        run: (reason) => call('POST /v1/admin/silences', { body: { matchers: given, until, reason } }),
      }}
    >
      {own.silence}
    </ActButton>
  );
}
