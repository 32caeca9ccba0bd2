import type { ComponentChildren } from 'preact';
import { useCallback, useId, useState } from 'preact/hooks';
import { queries, Refusal } from '../data/api.ts';
import { signInElsewhere, useSession, useSignInElsewhere } from '../data/session.tsx';
import { common } from '../texts/common.ts';
import { fill, useTexts } from '../texts/languages.ts';
import { Command } from './copy.tsx';
import { Dialog } from './dialog.tsx';
import { useWhy } from './states.tsx';

/** An act that is prepared and not done yet. */
export type Act = {
  readonly title: string;
  /** What will happen, in one or two sentences. */
  readonly lead: string;
  /** The text of the button that does it. */
  readonly verb: string;
  readonly isHarmful?: boolean;
  /** What it affects, counted before. */
  readonly blast?: ComponentChildren;
  /** Further fields, with what the API found wrong when it was tried. */
  readonly fields?: (error: unknown) => ComponentChildren;
  /** Whether the fields say enough to do it; they do unless said otherwise. */
  readonly isReady?: boolean;
  /** Whether it needs a reason; it does unless said otherwise. */
  readonly needsReason?: boolean;
  /** Whether it needs a recent sign-in; it does unless said otherwise. */
  readonly needsStepUp?: boolean;
  /** The same on the command line, if it has a command. */
  readonly command: (reason: string) => string | undefined;
  /** Says what it would do, first: the dialog stays open. */
  readonly rehearse?: () => Promise<void>;
  readonly run: (reason: string) => Promise<unknown>;
  /** What only the answer shows, such as a new secret: the dialog stays open with it. */
  readonly shows?: (answer: unknown) => ComponentChildren;
  readonly onDone?: (answer: unknown) => void;
};

const REASON_MAX = 256;

/** Asks before an act: what it affects, why, and that it is the user. What is typed stays through a new sign-in. */
export function ActDialog({ act, onClose }: { readonly act: Act; readonly onClose: () => void }) {
  const texts = useTexts(common);
  const why = useWhy();
  const session = useSession();
  const reasonId = useId();
  const [reason, setReason] = useState('');
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const [isAgain, setAgain] = useState(false);
  const [done, setDone] = useState<{ readonly answer: unknown; readonly shown: ComponentChildren } | null>(null);
  const needsReason = act.needsReason ?? true;
  const lacksFactor = session.step_up_needs_second_factor && !session.has_two_factors;
  const isOld = Date.now() / 1_000 - session.auth_time > session.step_up_seconds;
  const isRefused = error instanceof Refusal && error.code === 'step_up_required' && !isAgain;
  const needsSignIn = (act.needsStepUp ?? true) && (isRefused || ((isOld || lacksFactor) && !isAgain));
  useSignInElsewhere(
    useCallback(() => {
      setAgain(true);
      setError(undefined);
    }, []),
  );

  const leave = (answer: unknown): void => {
    onClose();
    act.onDone?.(answer);
  };

  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    setRunning(true);
    setError(undefined);
    try {
      if (act.rehearse !== undefined) return await act.rehearse();
      const answer = await act.run(reason);
      void queries.invalidateQueries();
      const shown = act.shows?.(answer);
      if (shown === undefined || shown === null) leave(answer);
      else setDone({ answer, shown });
    } catch (err) {
      if (err instanceof Refusal && err.code === 'step_up_required') setAgain(false);
      setError(err);
    } finally {
      setRunning(false);
    }
  };

  if (done !== null)
    return (
      <Dialog title={act.title} onClose={() => leave(done.answer)}>
        {done.shown}
        <div class="dialog-acts">
          <button type="button" class="primary" onClick={() => leave(done.answer)}>
            {texts.done}
          </button>
        </div>
      </Dialog>
    );
  const command = act.command(reason);
  return (
    <Dialog title={act.title} onClose={onClose}>
      <form class="act" onSubmit={(event) => void submit(event)}>
        <p>{act.lead}</p>
        {act.blast === undefined ? null : (
          <div class="blast">
            <strong>{texts.blast}</strong>
            <div>{act.blast}</div>
          </div>
        )}
        {act.fields?.(isRefused ? undefined : error)}
        {needsReason ? (
          <div class="field">
            <label htmlFor={reasonId}>{texts.reason}</label>
            <input
              id={reasonId}
              value={reason}
              maxLength={REASON_MAX}
              required
              autoComplete="off"
              aria-describedby={`${reasonId}-help`}
              onInput={(event) => setReason(event.currentTarget.value)}
            />
            <span id={`${reasonId}-help`} class="dim small">
              {texts.reasonHelp}
            </span>
          </div>
        ) : null}
        {command === undefined ? null : <Command text={command} />}
        {error !== undefined && !isRefused ? (
          <p class="note bad" role="alert">
            {why(error)}
          </p>
        ) : null}
        {needsSignIn ? (
          <div class="note warn" role="status">
            <strong>{texts.stepUp}</strong>
            <p>
              {lacksFactor
                ? texts.stepUpFactor
                : fill(texts.stepUpWhy, { minutes: Math.round(session.step_up_seconds / 60) })}
            </p>
            <button type="button" onClick={() => signInElsewhere(true)}>
              {texts.signInAgain}
            </button>
          </div>
        ) : null}
        {isAgain && !needsSignIn ? (
          <p class="note good" role="status">
            {texts.stepUpDone}
          </p>
        ) : null}
        <div class="dialog-acts">
          <button type="button" onClick={onClose}>
            {texts.cancel}
          </button>
          <button
            type="submit"
            class={act.isHarmful ? 'danger' : 'primary'}
            disabled={isRunning || needsSignIn || act.isReady === false}
          >
            {isRunning ? texts.running : act.verb}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export function ActButton({ act, children }: { readonly act: Act; readonly children: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" class={act.isHarmful ? 'danger-quiet' : undefined} onClick={() => setOpen(true)}>
        {children}
      </button>
      {isOpen ? <ActDialog act={act} onClose={() => setOpen(false)} /> : null}
    </>
  );
}
