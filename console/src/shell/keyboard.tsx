import { useEffect } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { Dialog } from '../parts/dialog.tsx';
import { hrefOf, places, titleOf } from '../places.ts';
import { common } from '../texts/common.ts';
import { useLanguage, useTexts } from '../texts/languages.ts';

/** Milliseconds in which the second key of a pair such as `g p` counts. */
const PAIR_MS = 1_000;

/** The keys that open the command palette on this machine. */
export const paletteKeys = (): string => (/Mac|iPhone|iPad/.test(navigator.userAgent) ? '⌘ K' : 'Ctrl K');

const isTyping = ({ target }: KeyboardEvent): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** Moves the focus to the next row of the page, or the previous one. */
function moveRow(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = rows[at < 0 ? (step === 1 ? 0 : rows.length - 1) : at + step];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
}

/** The shortcuts of the whole console. None of them acts while the user types or a dialog is open. */
export function useShortcuts({
  onPalette,
  onHelp,
}: {
  readonly onPalette: () => void;
  readonly onHelp: () => void;
}): void {
  const { route } = useLocation();
  useEffect(() => {
    let pairUntil = 0;
    const onKey = (event: KeyboardEvent): void => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        onPalette();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
      if (document.querySelector('dialog[open]') !== null) return;
      if (pairUntil > event.timeStamp) {
        const place = places.find(({ at }) => at?.key === event.key);
        pairUntil = 0;
        if (place !== undefined) route(hrefOf(place));
        return;
      }
      if (event.key === 'j') moveRow(1);
      else if (event.key === 'k') moveRow(-1);
      else if (event.key === 'g') pairUntil = event.timeStamp + PAIR_MS;
      else if (event.key === '?') onHelp();
      else if (event.key === '/') {
        const search = document.querySelector<HTMLInputElement>('input[type=search]');
        if (search !== null) event.preventDefault();
        search?.focus();
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [route, onPalette, onHelp]);
}

export function HelpDialog({ onClose }: { readonly onClose: () => void }) {
  const texts = useTexts(common);
  const language = useLanguage();
  const keys: readonly (readonly [string, string])[] = [
    [paletteKeys(), texts.helpPalette],
    ['j', texts.helpDown],
    ['k', texts.helpUp],
    ['Enter', texts.helpOpen],
    ['/', texts.helpSearch],
    ['?', texts.helpHelp],
    ...places.flatMap((place) =>
      place.at?.key === undefined ? [] : [[`g ${place.at.key}`, titleOf(place, language)] as const],
    ),
  ];
  return (
    <Dialog title={texts.help} onClose={onClose}>
      <dl class="keys">
        {keys.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
