import type { ComponentChildren } from 'preact';
import { useCallback, useEffect, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { queries, signOut, whenSessionEnds } from '../data/api.ts';
import { useOutage } from '../data/outage.ts';
import { signInElsewhere, useSession, useSignInElsewhere } from '../data/session.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { Icon } from '../parts/icons.tsx';
import { hrefOf, isOpen, type Place, places, titleOf } from '../places.ts';
import { common } from '../texts/common.ts';
import { fill, LANGUAGES, type LanguageTag, useLanguage, useTexts } from '../texts/languages.ts';
import { HelpDialog, paletteKeys, useShortcuts } from './keyboard.tsx';
import { Palette } from './palette.tsx';
import { THEMES, useTheme } from './theme.tsx';

const GROUPS = ['live', 'access', 'evidence'] as const;
const LANGUAGE_NAMES = { en: 'English', de: 'Deutsch' } as const satisfies Record<LanguageTag, string>;

const isUnder = (place: Place, path: string): boolean =>
  place.path === '/'
    ? path.replace(/\/$/, '') === hrefOf(place)
    : path === hrefOf(place) || path.startsWith(`${hrefOf(place)}/`);
/** Whether the page at a path is this one, one below it, or a view beside it. */
const isAt = (place: Place, path: string): boolean =>
  isUnder(place, path) || places.some((each) => each.beside === place.name && isUnder(each, path));

function Navigation({ onChoose }: { readonly onChoose: () => void }) {
  const texts = useTexts(common);
  const language = useLanguage();
  const { permissions, left_out: leftOut } = useSession();
  const { path } = useLocation();
  const shown = places.filter((place) => place.at && isOpen(place, permissions, leftOut));
  return (
    <nav aria-label={texts.navigation}>
      {GROUPS.map((group) => {
        const inGroup = shown.filter(({ at }) => at?.group === group);
        if (inGroup.length === 0) return null;
        return (
          <div key={group}>
            <p class="nav-group">{texts[group]}</p>
            <ul>
              {inGroup.map((place) => (
                <li key={place.name}>
                  <a href={hrefOf(place)} aria-current={isAt(place, path) ? 'page' : undefined} onClick={onChoose}>
                    {place.at === undefined ? null : <Icon name={place.at.icon} />}
                    {titleOf(place, language)}
                  </a>
                </li>
              ))}
            </ul>
          </div>
        );
      })}
    </nav>
  );
}

/** Says that the session has ended, above whatever is open, until another window has signed in. */
function SessionEnded({ onClose }: { readonly onClose: () => void }) {
  const texts = useTexts(common);
  return (
    <Dialog title={texts.sessionEnded} onClose={onClose} isLocked>
      <p>{texts.sessionEndedWhy}</p>
      <div class="dialog-acts">
        <button type="button" class="primary" onClick={() => signInElsewhere(false)}>
          {texts.signInAgain}
        </button>
      </div>
    </Dialog>
  );
}

/** Navigation, account and shortcuts around every page. */
export function Shell({
  isEnded,
  onLanguage,
  children,
}: {
  /** The session has ended while the console is open. */
  readonly isEnded: boolean;
  readonly onLanguage: (tag: LanguageTag) => void;
  readonly children: ComponentChildren;
}) {
  const texts = useTexts(common);
  const language = useLanguage();
  const session = useSession();
  const [theme, setTheme] = useTheme();
  const [isMenuOpen, setMenuOpen] = useState(false);
  const [open, setOpen] = useState<'palette' | 'help' | null>(null);
  const [hasEnded, setEnded] = useState(false);
  const outage = useOutage();
  const onPalette = useCallback(() => setOpen('palette'), []);
  const onHelp = useCallback(() => setOpen('help'), []);
  useShortcuts({ onPalette, onHelp });
  useEffect(() => whenSessionEnds(() => setEnded(true)), []);
  useSignInElsewhere(useCallback(() => setEnded(false), []));

  const leave = async (): Promise<void> => {
    await signOut();
    queries.clear();
    location.href = '/console/signed-out';
  };
  const acts = [
    ...THEMES.map((name) => ({
      text: `${texts.theme}: ${texts[`theme${name[0]?.toUpperCase()}${name.slice(1)}` as 'themeLight']}`,
      run: () => {
        setTheme(name);
        setOpen(null);
      },
    })),
    { text: texts.help, run: onHelp },
    { text: texts.signOut, run: () => void leave() },
  ];

  return (
    <div class="shell">
      <a class="skip" href="#content">
        {texts.skip}
      </a>
      <header class="bar">
        <button
          type="button"
          class="quiet square"
          aria-expanded={isMenuOpen}
          aria-label={texts.menu}
          onClick={() => setMenuOpen(!isMenuOpen)}
        >
          <Icon name="menu" />
        </button>
        <strong>{session.brand}</strong>
        <button type="button" class="quiet square" aria-label={texts.palette} onClick={onPalette}>
          <Icon name="search" />
        </button>
      </header>
      <aside class={isMenuOpen ? 'side open' : 'side'}>
        <div class="brand">
          <span class="mark" aria-hidden="true" />
          <span>
            <strong>{session.brand}</strong>
            <span class="dim small">{texts.console}</span>
          </span>
        </div>
        <button type="button" class="find" onClick={onPalette}>
          <Icon name="search" />
          <span>{texts.palette}</span>
          <kbd>{paletteKeys()}</kbd>
        </button>
        <Navigation onChoose={() => setMenuOpen(false)} />
        <div class="account">
          <p class="who" title={session.user_id}>
            <bdi>{session.email ?? session.user_id}</bdi>
          </p>
          <div class="switches">
            <label>
              <span class="hidden">{texts.theme}</span>
              <select
                value={theme}
                onChange={(event) => setTheme(THEMES.find((name) => name === event.currentTarget.value) ?? 'system')}
              >
                <option value="system">{texts.themeSystem}</option>
                <option value="light">{texts.themeLight}</option>
                <option value="dark">{texts.themeDark}</option>
              </select>
            </label>
            <label>
              <span class="hidden">{texts.language}</span>
              <select
                value={language}
                onChange={(event) => onLanguage(LANGUAGES.find((tag) => tag === event.currentTarget.value) ?? 'en')}
              >
                {LANGUAGES.map((tag) => (
                  <option key={tag} value={tag} lang={tag}>
                    {LANGUAGE_NAMES[tag]}
                  </option>
                ))}
              </select>
            </label>
            <button
              type="button"
              class="quiet square"
              aria-label={texts.help}
              title={`${texts.help} (?)`}
              onClick={onHelp}
            >
              <Icon name="keyboard" />
            </button>
            <button
              type="button"
              class="quiet square"
              aria-label={texts.signOut}
              title={texts.signOut}
              onClick={() => void leave()}
            >
              <Icon name="out" />
            </button>
          </div>
          <p class="dim small">{fill('Sallyport {version}', { version: session.version })}</p>
        </div>
      </aside>
      <main id="content" tabIndex={-1}>
        <div role="status">
          {outage === null ? null : <p class="note warn">{outage === 'away' ? texts.unreachable : texts.held}</p>}
        </div>
        {children}
      </main>
      {open === 'palette' ? <Palette acts={acts} onClose={() => setOpen(null)} /> : null}
      {open === 'help' ? <HelpDialog onClose={() => setOpen(null)} /> : null}
      {isEnded || hasEnded ? <SessionEnded onClose={() => setEnded(false)} /> : null}
    </div>
  );
}
