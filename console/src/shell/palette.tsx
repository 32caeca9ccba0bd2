import { useId, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { useSearch } from '../data/search.ts';
import { useSession } from '../data/session.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { useAddressOf } from '../parts/ref.tsx';
import { hrefOf, isOpen, places, titleOf } from '../places.ts';
import { common } from '../texts/common.ts';
import { useLanguage, useTexts } from '../texts/languages.ts';

type Choice = { readonly id?: string; readonly text: string; readonly run: () => void };

/** The acts in the head of the page that is shown: each opens its form. */
const actsOfPage = (onClose: () => void): readonly Choice[] =>
  [...document.querySelectorAll<HTMLButtonElement>('.page-head .acts button:enabled')].map((button, at) => ({
    id: `act:${at}`,
    text: button.textContent ?? '',
    run: () => {
      onClose();
      button.click();
    },
  }));

/** Goes to a page, finds anything by a part of it, or does one of the console's own acts: a combobox over a listbox (ARIA APG). */
export function Palette({ onClose, acts }: { readonly onClose: () => void; readonly acts: readonly Choice[] }) {
  const texts = useTexts(common);
  const language = useLanguage();
  const addressOf = useAddressOf();
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
  const [ofPage] = useState(() => actsOfPage(onClose));
  const found = [...ofPage, ...shown, ...acts].filter((choice) =>
    choice.text.toLowerCase().includes(text.toLowerCase()),
  );
  const search = useSearch(text);
  const hits = search.hits.flatMap(({ kind, id, called }): Choice | readonly [] => {
    const address = addressOf(kind, id);
    return address === undefined ? [] : { id: `${kind}:${id}`, text: called, run: () => go(address) };
  });
  const choices: readonly Choice[] = [...found, ...hits];
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
              key={choice.id ?? choice.text}
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
            {search.isFetching ? texts.searching : texts.paletteNone}
          </p>
        ) : null}
      </div>
    </Dialog>
  );
}
