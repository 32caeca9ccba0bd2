'use client';

import { type FormEvent, useEffect, useId, useRef, useState } from 'react';
import { useShared } from './provider.tsx';
import { SallyportError, type User } from './session.ts';
import { wordsOf } from './texts.ts';

export type SignInProps = {
  /** What it shows first. */
  readonly mode?: 'signIn' | 'signUp';
  /** Where users ask for a new password; Sallyport's page by default, and false for no link. */
  readonly forgotPassword?: string | false;
  /** Characters of a new password, which the API decides: 12, or 15 if its profile of passwords is `nist`. */
  readonly passwordMinimum?: number;
  /** Level of its heading. */
  readonly level?: 1 | 2 | 3;
  readonly onSignedIn?: (user: User) => void;
};

type Said = { readonly text: string; readonly isProblem: boolean; readonly link?: string | undefined };

/** What the password alone did not open. */
const factorsAskedBy = (problem: unknown): readonly string[] =>
  problem instanceof SallyportError && problem.code === 'second_factor_required' ? problem.factors : [];

/** A form to sign in and up, with second factors and passkeys where the session has them. */
export function SignIn({
  mode: first = 'signIn',
  forgotPassword,
  passwordMinimum = 12,
  level = 1,
  onSignedIn,
}: SignInProps) {
  const { session, pages, texts, settle } = useShared();
  const id = useId();
  const [mode, setMode] = useState(first);
  const [challenge, setChallenge] = useState<string>();
  const [said, setSaid] = useState<Said>();
  // Until this script runs, the browser would send the form itself.
  const [isBusy, setBusy] = useState(true);
  const [hasPasskeys, setHasPasskeys] = useState(false);
  useEffect(() => {
    setBusy(false);
    const canAsk = 'PublicKeyCredential' in window && 'parseRequestOptionsFromJSON' in PublicKeyCredential;
    setHasPasskeys(canAsk && session.signInWithPasskey !== undefined);
  }, [session]);

  const heading = useRef<HTMLHeadingElement>(null);
  const isMoving = useRef(false);
  const step = `${mode} ${challenge ?? ''}`;
  const shown = useRef(step);
  useEffect(() => {
    // Screen readers then read what the form asks now.
    if (isMoving.current && shown.current !== step) heading.current?.focus();
    shown.current = step;
    isMoving.current = false;
  }, [step]);

  const show = (next: typeof mode, nextChallenge?: string): void => {
    isMoving.current = true;
    setMode(next);
    setChallenge(nextChallenge);
    setSaid(undefined);
  };

  function fail(problem: unknown): void {
    const factors = factorsAskedBy(problem);
    const { code, challenge: asked } = problem instanceof SallyportError ? problem : {};
    if (session.secondFactor && factors.some((factor) => factor === 'totp' || factor === 'recovery_code')) {
      show('signIn', asked);
      return;
    }
    // Too late: the next try begins with the password.
    if (code === 'challenge_over') show('signIn');
    const text = hasPasskeys && factors.includes('passkey') ? texts.usePasskey : wordsOf(problem, texts);
    setSaid({ text, isProblem: true, link: factors.includes('enrolment') && pages ? `${pages}/login` : undefined });
  }

  async function run(work: () => Promise<User | null>): Promise<void> {
    setBusy(true);
    setSaid(undefined);
    try {
      const user = await work();
      if (user === null) {
        show('signIn');
        setSaid({ text: texts.checkMail, isProblem: false });
      } else {
        settle(user);
        onSignedIn?.(user);
      }
    } catch (problem) {
      fail(problem);
    } finally {
      setBusy(false);
    }
  }

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const field = (name: string): string => String(fields.get(name) ?? '');
    void run(async () => {
      if (challenge !== undefined) return (await session.secondFactor?.({ challenge, code: field('code') })) ?? null;
      const input = { email: field('email'), password: field('password') };
      return mode === 'signUp' ? session.signUp({ ...input, name: field('name') }) : session.signIn(input);
    });
  }

  const isNew = mode === 'signUp';
  const title = challenge !== undefined ? texts.secondFactor : isNew ? texts.signUp : texts.signIn;
  const forgot = forgotPassword ?? (pages && `${pages}/account/forgot-password`);
  const Heading = `h${level}` as const;
  const problem = said?.isProblem ? { 'aria-invalid': true, 'aria-describedby': `${id}-said` } : {};
  return (
    <section className="sallyport sallyport-card" aria-labelledby={`${id}-title`}>
      <Heading id={`${id}-title`} ref={heading} tabIndex={-1}>
        {title}
      </Heading>
      <form method="post" onSubmit={submit}>
        {challenge === undefined ? (
          <>
            {isNew && (
              <label>
                {texts.name}
                <input name="name" autoComplete="name" maxLength={200} required />
              </label>
            )}
            <label>
              {texts.email}
              <input name="email" type="email" autoComplete="username" required {...problem} />
            </label>
            <label>
              {texts.password}
              <input
                key={mode}
                name="password"
                type="password"
                autoComplete={isNew ? 'new-password' : 'current-password'}
                minLength={isNew ? passwordMinimum : 1}
                placeholder={isNew ? texts.passwordHint(passwordMinimum) : undefined}
                required
                {...problem}
              />
            </label>
          </>
        ) : (
          <label>
            {texts.code}
            <input key="code" name="code" autoComplete="one-time-code" required {...problem} />
          </label>
        )}
        <p id={`${id}-said`} className="sallyport-said" role="alert" data-problem={said?.isProblem || undefined}>
          {said?.text}
          {said?.link && <a href={said.link}>{texts.elsewhere}</a>}
        </p>
        <button type="submit" disabled={isBusy} aria-busy={isBusy}>
          {challenge === undefined ? title : texts.confirm}
        </button>
      </form>
      <div className="sallyport-more">
        {challenge === undefined && !isNew && hasPasskeys && (
          <button
            type="button"
            className="sallyport-quiet"
            disabled={isBusy}
            onClick={() => void run(async () => (await session.signInWithPasskey?.()) ?? null)}
          >
            {texts.passkey}
          </button>
        )}
        <button
          type="button"
          className="sallyport-link"
          disabled={isBusy}
          onClick={() => show(isNew || challenge !== undefined ? 'signIn' : 'signUp')}
        >
          {challenge !== undefined ? texts.back : isNew ? texts.signInInstead : texts.signUpInstead}
        </button>
        {challenge === undefined && !isNew && forgot && <a href={forgot}>{texts.forgot}</a>}
      </div>
    </section>
  );
}
