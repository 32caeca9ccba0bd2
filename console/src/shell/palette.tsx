import { useId, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { useCan, useSession } from '../data/session.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { hrefOf, isOpen, places, titleOf } from '../places.ts';
import { common } from '../texts/common.ts';
import { fill, useLanguage, useTexts } from '../texts/languages.ts';

type Choice = { readonly text: string; readonly run: () => void };

/** Goes to a page, finds a person, or does one of the console's own acts: a combobox over a listbox (ARIA APG). */
export function Palette({ onClose, acts }: { readonly onClose: () => void; readonly acts: readonly Choice[] }) {
  const texts = useTexts(common);
  const language = useLanguage();
  const can = useCan();
  const { permissions, left_out: leftOut } = useSession();
  const { route } = useLocation();
  const listId = useId();
  const [typed, setTyped] = useState('');
  const [at, setAt] = useState(0);
  const text = typed.trim();
  const go = (address: string): void => {
    onClose();
    route(address);
  };
  const shown = places
    .filter((place) => (place.at ?? place.beside) && isOpen(place, permissions, leftOut))
    .map((place): Choice => ({ text: titleOf(place, language), run: () => go(hrefOf(place)) }));
  const found = [...shown, ...acts].filter((choice) => choice.text.toLowerCase().includes(text.toLowerCase()));
  const choices: readonly Choice[] =
    text.length >= 3 && can('users:read')
      ? [
          ...found,
          {
            text: fill(texts.findPeople, { text }),
            run: () => go(`/console/people?${new URLSearchParams({ email_prefix: text })}`),
          },
        ]
      : found;
  const active = Math.min(at, Math.max(0, choices.length - 1));

  const onKey = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowDown') setAt((active + 1) % Math.max(1, choices.length));
    else if (event.key === 'ArrowUp') setAt((active + choices.length - 1) % Math.max(1, choices.length));
    else if (event.key === 'Enter') choices[active]?.run();
    else return;
    event.preventDefault();
  };

  return (
    <Dialog title={texts.palette} onClose={onClose}>
      <div class="palette">
        <input
          role="combobox"
          aria-expanded="true"
          aria-controls={listId}
          aria-label={texts.palette}
          aria-activedescendant={choices.length === 0 ? undefined : `${listId}-${active}`}
          placeholder={texts.paletteHint}
          value={typed}
          autoComplete="off"
          onInput={(event) => {
            setTyped(event.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={onKey}
        />
        <div id={listId} class="choices" role="listbox" aria-label={texts.palette}>
          {choices.map((choice, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the combobox, which keeps the focus
            <div
              key={choice.text}
              id={`${listId}-${index}`}
              role="option"
              tabIndex={-1}
              aria-selected={index === active}
              onClick={choice.run}
              onMouseMove={() => setAt(index)}
            >
              {choice.text}
            </div>
          ))}
        </div>
        {choices.length === 0 ? (
          <p class="dim" role="status">
            {texts.paletteNone}
          </p>
        ) : null}
      </div>
    </Dialog>
  );
}
