import { useId, useState } from 'preact/hooks';
import { type ItemResult, type PartResult, STEPS, type VerifiedBundle, verifyBundle } from '../data/bundle.ts';
import { type Continues, continuesToday } from '../data/log-today.ts';
import { trustedKeys } from '../data/trusted-key.ts';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';
import { BrowserCheck, proofTexts } from './browser-check.tsx';
import { commandLine } from './copy.tsx';
import { Badge, Id, type Tone, useNumber } from './format.tsx';
import { Row } from './page.tsx';
import { useWhy } from './states.tsx';

const texts = inLanguages({
  en: {
    title: 'Verification in this browser',
    lead: 'Your browser checks the bundle from its bytes alone, as sallyport report verify does. It does not take the server’s word for anything.',
    verify: 'Verify',
    ownKey: 'Trust another key',
    keyLabel: 'Verifier keys of the log, one per line',
    keyHelp: 'As sallyport audit key prints them. Without one, the keys count that this browser saw first.',
    holds: 'The bundle is valid',
    fails: 'The bundle is not valid',
    unread: 'The bundle could not be checked',
    given: 'Checked with the key that you gave.',
    known: 'Checked with keys that this browser trusted before.',
    first:
      'This browser saw the key of the log for the first time. Compare it with what sallyport audit key prints: {vkeys}',
    unpinned:
      'Checked with the keys in the bundle itself: it is whole, but this does not show who signed it. Give the key of that log to find out.',
    parts: 'The bundle',
    controls: 'Each control',
    right: 'valid',
    wrong: 'invalid',
    unknown: 'not checked',
    form: 'Form: every member is there, in canonical JSON',
    keys: 'Verifier keys can be read',
    signature: 'Signature of the log’s key over the digest of the report',
    controlsPart: 'Each control once, each proof with its control',
    summary: 'Counts are those of the controls',
    heads: 'Signed heads of the log do not contradict each other',
    today: 'The log of today still continues the newest head of the proofs',
    observed: 'observation',
    item: 'control',
    event: 'sealed event',
    place: 'place in the log',
    not_json: 'It is not JSON.',
    wrong_form: 'This part does not have the form of a report:',
    not_canonical: 'Bytes were added or changed outside of the values.',
    key_malformed: 'A verifier key is malformed.',
    other_content: 'The signed digest is of other content: a value was changed.',
    control_twice: 'A control is listed twice:',
    control_missing: 'The control of a proof is missing:',
    counts_differ: 'The counts are not those of the controls.',
    heads_differ: 'Two signed heads of one size have different roots: the log was forked.',
    no_place: 'It has no place in the audit log.',
    observed_changed: 'What the check saw does not have the stated digest.',
    item_changed: 'The control does not have the stated digest.',
    leaf_malformed: 'The sealed bytes cannot be read.',
    event_differs: 'The sealed event states something else.',
    todayFails: 'The log of today does not contain that head: entries were changed or removed.',
    todayUnknown: 'That log is of another installation.',
    entries: '{size} entries today',
  },
  de: {
    title: 'Prüfung in diesem Browser',
    lead: 'Ihr Browser prüft das Paket allein aus seinen Bytes, wie sallyport report verify. Er glaubt dem Server nichts.',
    verify: 'Prüfen',
    ownKey: 'Einem anderen Schlüssel trauen',
    keyLabel: 'Prüfschlüssel des Protokolls, einer je Zeile',
    keyHelp: 'Wie sallyport audit key sie ausgibt. Ohne einen gelten die Schlüssel, die dieser Browser zuerst sah.',
    holds: 'Das Paket ist gültig',
    fails: 'Das Paket ist nicht gültig',
    unread: 'Das Paket konnte nicht geprüft werden',
    given: 'Geprüft mit dem Schlüssel, den Sie angegeben haben.',
    known: 'Geprüft mit Schlüsseln, denen dieser Browser schon vorher traute.',
    first:
      'Den Schlüssel des Protokolls sieht dieser Browser zum ersten Mal. Vergleichen Sie ihn mit der Ausgabe von sallyport audit key: {vkeys}',
    unpinned:
      'Geprüft mit den Schlüsseln im Paket selbst: es ist unverändert, aber das zeigt nicht, wer es signiert hat. Geben Sie den Schlüssel jenes Protokolls an, um das zu erfahren.',
    parts: 'Das Paket',
    controls: 'Jede Kontrolle',
    right: 'gültig',
    wrong: 'ungültig',
    unknown: 'nicht geprüft',
    form: 'Form: jeder Teil ist da, in kanonischem JSON',
    keys: 'Prüfschlüssel sind lesbar',
    signature: 'Signatur des Protokollschlüssels über den Hash des Berichts',
    controlsPart: 'Jede Kontrolle einmal, jeder Beweis mit seiner Kontrolle',
    summary: 'Summen sind die der Kontrollen',
    heads: 'Signierte Stände des Protokolls widersprechen sich nicht',
    today: 'Das heutige Protokoll setzt den neuesten Stand der Beweise fort',
    observed: 'Beobachtung',
    item: 'Kontrolle',
    event: 'versiegeltes Ereignis',
    place: 'Platz im Protokoll',
    not_json: 'Es ist kein JSON.',
    wrong_form: 'Dieser Teil hat nicht die Form eines Berichts:',
    not_canonical: 'Bytes außerhalb der Werte wurden hinzugefügt oder verändert.',
    key_malformed: 'Ein Prüfschlüssel ist fehlerhaft.',
    other_content: 'Der signierte Hash gehört zu anderem Inhalt: ein Wert wurde verändert.',
    control_twice: 'Eine Kontrolle steht zweimal da:',
    control_missing: 'Die Kontrolle eines Beweises fehlt:',
    counts_differ: 'Die Summen sind nicht die der Kontrollen.',
    heads_differ: 'Zwei signierte Stände gleicher Größe haben verschiedene Wurzeln: das Protokoll wurde gespalten.',
    no_place: 'Sie hat keinen Platz im Audit-Protokoll.',
    observed_changed: 'Die Beobachtung hat nicht den angegebenen Hash.',
    item_changed: 'Die Kontrolle hat nicht den angegebenen Hash.',
    leaf_malformed: 'Die versiegelten Bytes sind nicht lesbar.',
    event_differs: 'Das versiegelte Ereignis sagt etwas anderes.',
    todayFails: 'Das heutige Protokoll enthält diesen Stand nicht: Einträge wurden verändert oder entfernt.',
    todayUnknown: 'Dieses Protokoll gehört zu einer anderen Installation.',
    entries: 'heute {size} Einträge',
  },
});

const useCheckTexts = () => ({ ...useTexts(proofTexts), ...useTexts(texts) });

/** Where the keys came from that the signatures were checked with. */
type KeySource = 'given' | 'known' | 'first' | 'unpinned';
type Checked = {
  readonly bundle: VerifiedBundle;
  readonly source: KeySource;
  readonly vkeys: readonly string[];
  readonly today: Continues;
};
async function check(text: string, given: readonly string[]): Promise<Checked> {
  const origin = (await verifyBundle(text, given)).report?.origin;
  const trusted = given.length > 0 || origin === undefined ? undefined : await trustedKeys(origin);
  const vkeys = trusted?.vkeys ?? given;
  const bundle = await verifyBundle(text, vkeys);
  const source = given.length > 0 ? 'given' : trusted === undefined ? 'unpinned' : trusted.isKnown ? 'known' : 'first';
  return { bundle, source, vkeys, today: await continuesToday(bundle.head, vkeys) };
}

const TONES = { right: 'good', wrong: 'bad', unknown: 'plain' } as const satisfies Record<string, Tone>;

function Result({ name }: { readonly name: keyof typeof TONES }) {
  const own = useTexts(texts);
  return <Badge tone={TONES[name]}>{own[name]}</Badge>;
}

function PartRow({ part: { part, fault, at } }: { readonly part: PartResult }) {
  const own = useCheckTexts();
  return (
    <Row
      title={own[part === 'controls' ? 'controlsPart' : part]}
      {...(fault === null
        ? {}
        : {
            meta: (
              <span class="bad">
                {own[fault]} {at === undefined ? null : <Id>{at}</Id>}
              </span>
            ),
          })}
      side={<Result name={fault === null ? 'right' : 'wrong'} />}
    />
  );
}

function TodayRow({ today }: { readonly today: Continues }) {
  const own = useTexts(texts);
  const number = useNumber();
  const why = useWhy();
  const meta = {
    holds: () => <span>{fill(own.entries, { size: number('size' in today ? today.size : 0) })}</span>,
    fails: () => <span class="bad">{own.todayFails}</span>,
    unknown: () => <span>{own.todayUnknown}</span>,
    unread: () => <span>{'error' in today ? why(today.error) : ''}</span>,
  }[today.state]();
  const result = today.state === 'holds' ? 'right' : today.state === 'fails' ? 'wrong' : 'unknown';
  return <Row title={own.today} meta={meta} side={<Result name={result} />} />;
}

function ItemRow({ item }: { readonly item: ItemResult }) {
  const own = useCheckTexts();
  const isRight = STEPS.every((step) => item.steps[step] === null);
  return (
    <Row
      title={item.title}
      meta={STEPS.map((step) => {
        const fault = item.steps[step];
        return (
          <span key={step} class={fault === null ? undefined : 'bad'}>
            {fault === null ? `✓ ${own[step]}` : `✗ ${own[step]}: ${own[fault]}`}
          </span>
        );
      })}
      side={<Result name={isRight ? 'right' : 'wrong'} />}
    />
  );
}

function Found({ checked: { bundle, source, vkeys, today } }: { readonly checked: Checked }) {
  const own = useTexts(texts);
  const isRight = bundle.isValid && today.state !== 'fails';
  return (
    <>
      <div class={isRight ? 'note good' : 'note bad'} role={isRight ? 'status' : 'alert'}>
        <strong>{isRight ? own.holds : own.fails}</strong>
        {bundle.report === undefined ? null : <p>{fill(own[source], { vkeys: vkeys.join(' ') })}</p>}
      </div>
      <h3>{own.parts}</h3>
      <ul class="rows" aria-label={own.parts}>
        {bundle.parts.map((part) => (
          <PartRow key={part.part} part={part} />
        ))}
        {bundle.head === undefined ? null : <TodayRow today={today} />}
      </ul>
      {bundle.items.length === 0 ? null : (
        <>
          <h3>{own.controls}</h3>
          <ul class="rows" aria-label={own.controls}>
            {bundle.items.map((item) => (
              <ItemRow key={item.controlId} item={item} />
            ))}
          </ul>
        </>
      )}
    </>
  );
}

/** Verifies a bundle, and shows each check with its result. @param read gives the bytes of the bundle as text */
export function BundleCheck({ read }: { readonly read: () => Promise<string> }) {
  const own = useTexts(texts);
  const keyId = useId();
  const [typed, setTyped] = useState('');
  const given = typed.split(/\s+/).filter((line) => line !== '');
  return (
    <BrowserCheck
      title={own.title}
      lead={own.lead}
      verb={own.verify}
      fails={own.unread}
      command={commandLine('report', 'verify', 'report.json', '--vkey', 'KEY')}
      run={async () => check(await read(), given)}
      before={
        <details>
          <summary>{own.ownKey}</summary>
          <div class="field">
            <label htmlFor={keyId}>{own.keyLabel}</label>
            <textarea
              id={keyId}
              class="code"
              value={typed}
              maxLength={4_096}
              spellcheck={false}
              autoComplete="off"
              aria-describedby={`${keyId}-help`}
              onInput={(event) => setTyped(event.currentTarget.value)}
            />
            <span id={`${keyId}-help`} class="dim small">
              {own.keyHelp}
            </span>
          </div>
        </details>
      }
    >
      {(checked) => <Found checked={checked} />}
    </BrowserCheck>
  );
}
