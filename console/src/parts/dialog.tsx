import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';
import { common } from '../texts/common.ts';
import { useTexts } from '../texts/languages.ts';
import { Icon } from './icons.tsx';

/** A modal dialog: the browser keeps the focus inside, returns it afterwards, and closes it by Escape. */
export function Dialog({
  title,
  onClose,
  isLocked = false,
  children,
}: {
  readonly title: string;
  readonly onClose: () => void;
  /** It cannot be closed: what it asks comes first. */
  readonly isLocked?: boolean;
  readonly children: ComponentChildren;
}) {
  const texts = useTexts(common);
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  // Before the browser paints: what is typed right after the shortcut goes into the first field.
  useLayoutEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    // The first field rather than the button that closes.
    dialog?.querySelector<HTMLElement>('input:not([type=checkbox]), textarea')?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        if (!isLocked) onClose();
      }}
    >
      <div class="dialog-head">
        <h2 id={titleId}>{title}</h2>
        {isLocked ? null : (
          <button type="button" class="quiet square" aria-label={texts.close} onClick={onClose}>
            <Icon name="close" />
          </button>
        )}
      </div>
      {children}
    </dialog>
  );
}
