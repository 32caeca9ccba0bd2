'use client';

import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { useShared } from './provider.tsx';
import { wordsOf } from './texts.ts';

export type UserButtonProps = {
  /** Where users manage their account; Sallyport's page by default, and false for no link. */
  readonly account?: string | false;
  /** Further entries of the menu: links and buttons. */
  readonly children?: ReactNode;
};

/** One letter; a name may begin with several code units. */
const initialOf = (text: string): string => ([...text.trim()][0] ?? '?').toLocaleUpperCase();

/** Who is signed in, with a menu to sign out; nothing while nobody is. */
export function UserButton({ account, children }: UserButtonProps) {
  const { user, pages, texts, signOut } = useShared();
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const [problem, setProblem] = useState('');
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    if (!isOpen) return;
    const leave = ({ target }: Event): void => {
      if (!box.current?.contains(target as Node)) setOpen(false);
    };
    const press = ({ key }: KeyboardEvent): void => {
      if (key !== 'Escape') return;
      setOpen(false);
      button.current?.focus();
    };
    document.addEventListener('pointerdown', leave);
    document.addEventListener('focusin', leave);
    document.addEventListener('keydown', press);
    return () => {
      document.removeEventListener('pointerdown', leave);
      document.removeEventListener('focusin', leave);
      document.removeEventListener('keydown', press);
    };
  }, [isOpen]);

  if (user === null) return null;
  const name = user.name?.trim() || null;
  const address = account ?? (pages && `${pages}/account`);
  const leave = (): void => {
    setProblem('');
    // The next user finds the menu closed.
    signOut().then(
      () => setOpen(false),
      (refused: unknown) => setProblem(wordsOf(refused, texts)),
    );
  };
  return (
    <div className="sallyport sallyport-user" ref={box}>
      <button
        type="button"
        ref={button}
        aria-expanded={isOpen}
        aria-controls={`${id}-menu`}
        onClick={() => setOpen(!isOpen)}
      >
        <span className="sallyport-initial" aria-hidden="true">
          {initialOf(name ?? user.email)}
        </span>
        <span className="sallyport-who">
          {name && <bdi>{name}</bdi>}
          <bdi>{user.email}</bdi>
        </span>
        <span className="sallyport-hidden">{texts.menu}</span>
      </button>
      <div id={`${id}-menu`} className="sallyport-menu" hidden={!isOpen}>
        {address && <a href={address}>{texts.account}</a>}
        {children}
        <button type="button" onClick={leave}>
          {texts.signOut}
        </button>
        <p className="sallyport-said" role="alert" data-problem={problem !== '' || undefined}>
          {problem}
        </p>
      </div>
    </div>
  );
}
