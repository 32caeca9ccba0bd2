// Copied by `npm run catalog` from services/pages/own-account/browser-name.ts. Do not edit.
/** What a User-Agent says in words; null for what it does not say, or says in an unknown way. */
type BrowserName = { readonly browser: string | null; readonly system: string | null };

type Names = readonly (readonly [RegExp, string])[];

/** The first that fits: most browsers also name Chrome and Safari, and Chrome names Safari. */
const BROWSERS: Names = [
  [/\bEdg(?:e|A|iOS)?\//, 'Edge'],
  [/\b(?:OPR|OPT|OPiOS|Opera)\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\bVivaldi\//, 'Vivaldi'],
  [/\bYaBrowser\//, 'Yandex Browser'],
  [/\b(?:DuckDuckGo|Ddg)\//, 'DuckDuckGo'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\bChromium\//, 'Chromium'],
  [/\b(?:HeadlessChrome|Chrome|CriOS)\//, 'Chrome'],
  [/\bVersion\/\S+ (?:Mobile\/\S+ )?Safari\//, 'Safari'],
  [/\b(?:MSIE |Trident\/)/, 'Internet Explorer'],
];

/** The first that fits: an iPhone also names Mac OS X, Android and ChromeOS also name Linux or X11. */
const SYSTEMS: Names = [
  [/\biPad\b/, 'iPad'],
  [/\b(?:iPhone|iPod)\b/, 'iPhone'],
  [/\bAndroid\b/, 'Android'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bWindows\b/, 'Windows'],
  [/\b(?:Macintosh|Mac OS X|Darwin)\b/, 'macOS'],
  [/\bFreeBSD\b/, 'FreeBSD'],
  [/\b(?:Linux|X11)\b/i, 'Linux'],
];

/** Bounds the search in what a client chose. */
const READ_CHARACTERS = 512;

const firstIn = (names: Names, text: string): string | null =>
  names.find(([pattern]) => pattern.test(text))?.[1] ?? null;

/** Programs begin with their own name (RFC 9110 §10.1.5), browsers with `Mozilla`. */
const programIn = (text: string): string | null =>
  /^(?!Mozilla\/)([A-Za-z][\w.-]{0,39})(?:[/ ]|$)/.exec(text)?.[1] ?? null;

/** @example browserNameOf('Mozilla/5.0 (X11; Linux x86_64) … Chrome/130.0.0.0 Safari/537.36') // Chrome, Linux */
export function browserNameOf(userAgent: string): BrowserName {
  const text = userAgent.slice(0, READ_CHARACTERS);
  return { browser: programIn(text) ?? firstIn(BROWSERS, text), system: firstIn(SYSTEMS, text) };
}
