import { QueryClientProvider } from '@tanstack/preact-query';
import type { ComponentType } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { LocationProvider, lazy, Route, Router } from 'preact-iso';
import { type ConsoleSession, queries } from './data/api.ts';
import { announceSignIn, SessionContext, signInHere, useSession, useSessionQuery } from './data/session.tsx';
import { PageHead, type PageProps } from './parts/page.tsx';
import { Empty, Failed, Loading } from './parts/states.tsx';
import { hrefOf, isOpen, type Place, places, titleOf } from './places.ts';
import { Shell } from './shell/shell.tsx';
import { common } from './texts/common.ts';
import {
  fill,
  firstLanguage,
  keepLanguage,
  LanguageContext,
  type LanguageTag,
  useLanguage,
  useTexts,
} from './texts/languages.ts';

type Loaded = Promise<{ readonly Page: ComponentType<PageProps> }>;

/** What shows the pages that are made by hand: each is a chunk of its own, loaded when the page is opened. */
const handMade: Readonly<Record<string, () => Loaded>> = {
  overview: () => import('./pages/overview.tsx'),
  inspector: () => import('./pages/inspector.tsx'),
  stream: () => import('./pages/stream.tsx'),
  verifyReport: () => import('./pages/verify-report.tsx'),
};

async function loadPage(place: Place): Loaded {
  const { name, fold, parts } = place;
  if (parts !== undefined) return (await import('./fold/shown-sections.tsx')).pageOf(place, (await parts()).parts);
  if (fold === undefined) return (handMade[name] as () => Loaded)();
  return fold.isItem
    ? (await import('./fold/detail.tsx')).detailOf(fold)
    : (await import('./fold/list.tsx')).listOf(fold);
}

/** The page in the middle of the window, for a user who is not signed in. */
function Alone({ title, lead, action }: { readonly title: string; readonly lead: string; readonly action: boolean }) {
  const texts = useTexts(common);
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <main class="alone">
      <div class="card">
        <span class="mark" aria-hidden="true" />
        <h1>{title}</h1>
        <p class="dim">{lead}</p>
        {action ? (
          <button type="button" class="primary" onClick={signInHere}>
            {texts.signIn}
          </button>
        ) : null}
      </div>
    </main>
  );
}

/** Where the sign-in of another window ends. */
function SignedIn() {
  const texts = useTexts(common);
  useEffect(() => {
    announceSignIn();
    window.close();
  }, []);
  return <Alone title={texts.signedInDone} lead={texts.signedInClose} action={false} />;
}

/** A page that the user may not see: what it is, and what is missing. */
function NotAllowed({ title, permission }: { readonly title: string; readonly permission: string }) {
  const texts = useTexts(common);
  return (
    <div class="page">
      <PageHead title={title} />
      <Empty title={texts.notAllowed}>
        <p>{fill(texts.notAllowedWhy, { permission })}</p>
        <p>{texts.notAllowedFix}</p>
        <p>
          <a href="/console">{texts.toOverview}</a>
        </p>
      </Empty>
    </div>
  );
}

function Unknown() {
  const texts = useTexts(common);
  return (
    <div class="page">
      <PageHead title={texts.unknownPage} />
      <Empty title={texts.unknownPageWhy}>
        <p>
          <a href="/console">{texts.toOverview}</a>
        </p>
      </Empty>
    </div>
  );
}

type Routed = { readonly params?: Readonly<Record<string, string>> };

/** The component of each page, made once: a page that the user may not see is not even loaded. */
const routed = places.map((place) => {
  const Loaded = lazy(() => loadPage(place).then(({ Page: Body }) => Body));
  function Guarded({ params = {} }: Routed) {
    const title = titleOf(place, useLanguage());
    const { permissions, left_out: leftOut } = useSession();
    if (place.wing !== undefined && leftOut.includes(place.wing)) return <Unknown />;
    return isOpen(place, permissions, leftOut) ? (
      <Loaded params={params} title={title} />
    ) : (
      <NotAllowed title={title} permission={place.permission ?? ''} />
    );
  }
  return [place, Guarded] as const satisfies readonly [Place, (props: Routed) => unknown];
});

function SignedInConsole({
  session,
  isEnded,
  onLanguage,
}: {
  readonly session: ConsoleSession;
  readonly isEnded: boolean;
  readonly onLanguage: (tag: LanguageTag) => void;
}) {
  const texts = useTexts(common);
  return (
    <SessionContext.Provider value={session}>
      <Shell isEnded={isEnded} onLanguage={onLanguage}>
        {session.permissions.length === 0 ? (
          <Empty title={texts.noPermissions}>
            <p>{fill(texts.noPermissionsWhy, { id: session.user_id })}</p>
          </Empty>
        ) : (
          <Router>
            {[
              ...routed.map(([place, Body]) => <Route key={place.name} path={hrefOf(place)} component={Body} />),
              <Route key="unknown" default component={Unknown} />,
            ]}
          </Router>
        )}
      </Shell>
    </SessionContext.Provider>
  );
}

function Gate({ onLanguage }: { readonly onLanguage: (tag: LanguageTag) => void }) {
  const texts = useTexts(common);
  const { data, error, refetch } = useSessionQuery();
  // What was on the page stays when the session ends.
  const last = useRef<ConsoleSession | null>(null);
  if (data) last.current = data;
  if (location.pathname === '/console/signed-in') return <SignedIn />;
  if (last.current !== null)
    return <SignedInConsole session={last.current} isEnded={data === null} onLanguage={onLanguage} />;
  if (error)
    return (
      <main class="alone">
        <Failed error={error} onRetry={() => void refetch()} />
      </main>
    );
  if (data === undefined)
    return (
      <main class="alone">
        <Loading lines={1} />
      </main>
    );
  const isOut = location.pathname === '/console/signed-out';
  return <Alone title={isOut ? texts.signedOut : texts.console} lead={texts.signInLead} action />;
}

export function App() {
  const [language, setLanguage] = useState<LanguageTag>(firstLanguage);
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  return (
    <LanguageContext.Provider value={language}>
      <QueryClientProvider client={queries}>
        <LocationProvider scope="/console">
          <Gate
            onLanguage={(tag) => {
              keepLanguage(tag);
              setLanguage(tag);
            }}
          />
        </LocationProvider>
      </QueryClientProvider>
    </LanguageContext.Provider>
  );
}
