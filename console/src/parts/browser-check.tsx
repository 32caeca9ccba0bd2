import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { ProofError } from '../data/notes.ts';
import { inLanguages, useTexts } from '../texts/languages.ts';
import { Command } from './copy.tsx';
import { Section } from './page.tsx';
import { useWhy } from './states.tsx';

/** What is wrong with a proof, and the state of a check. */
export const proofTexts = inLanguages({
  en: {
    again: 'Verify again',
    running: 'Verifying',
    proof_malformed: 'The proof cannot be read.',
    wrong_place: 'The proof is for another place in the log.',
    wrong_root: 'The sealed bytes do not lead to the signed root: the event or the log was changed.',
    wrong_log: 'The proof is of another log.',
    not_signed: 'No trusted key of the log has signed it.',
    key_replaced: 'The log shows a key that no trusted key names. Ask the operator for the key.',
  },
  de: {
    again: 'Erneut prüfen',
    running: 'Prüft',
    proof_malformed: 'Der Beweis ist nicht lesbar.',
    wrong_place: 'Der Beweis gilt für eine andere Stelle im Protokoll.',
    wrong_root:
      'Die versiegelten Bytes führen nicht zur signierten Wurzel: das Ereignis oder das Protokoll wurde verändert.',
    wrong_log: 'Der Beweis gehört zu einem anderen Protokoll.',
    not_signed: 'Kein Schlüssel des Protokolls, dem vertraut wird, hat es signiert.',
    key_replaced:
      'Das Protokoll zeigt einen Schlüssel, den kein bisheriger nennt. Fragen Sie den Betreiber nach dem Schlüssel.',
  },
});

type State<T> = 'asked' | 'running' | { readonly found: T } | { readonly error: unknown };

/** A check that this browser does when it is asked to, and what it found. */
export function BrowserCheck<T>({
  title,
  lead,
  verb,
  fails,
  command,
  before,
  run,
  children,
}: {
  readonly title: string;
  readonly lead: string;
  readonly verb: string;
  /** What it means that the check threw. */
  readonly fails: string;
  readonly command: string;
  readonly before?: ComponentChildren;
  readonly run: () => Promise<T>;
  readonly children: (found: T) => ComponentChildren;
}) {
  const own = useTexts(proofTexts);
  const why = useWhy();
  const [state, setState] = useState<State<T>>('asked');
  const check = (): void => {
    setState('running');
    run().then(
      (found) => setState({ found }),
      (error: unknown) => setState({ error }),
    );
  };
  return (
    <Section
      title={title}
      acts={
        <button type="button" class="primary" disabled={state === 'running'} onClick={check}>
          {state === 'running' ? own.running : state === 'asked' ? verb : own.again}
        </button>
      }
    >
      <p class="dim">{lead}</p>
      {before}
      {typeof state === 'object' && 'found' in state ? children(state.found) : null}
      {typeof state === 'object' && 'error' in state ? (
        <div class="note bad" role="alert">
          <strong>{fails}</strong>
          <p>{state.error instanceof ProofError ? own[state.error.fault] : why(state.error)}</p>
        </div>
      ) : null}
      <Command text={command} />
    </Section>
  );
}
