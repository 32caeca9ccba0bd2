import { isMisspelling, nearestName } from '../define/nearest-name.ts';
import { TEST_FOLDER, TEST_PATIENCE } from '../process/patience.ts';

/** Names that the product reads from the environment besides its settings. */
const READ_ELSEWHERE = [
  'SALLYPORT_API',
  'SALLYPORT_COMMAND',
  'SALLYPORT_CRASHES',
  'SALLYPORT_ENV_FILE',
  'SALLYPORT_PARENT_CHANNEL',
  'SALLYPORT_PROCESS',
  TEST_FOLDER,
  'SALLYPORT_TOKEN',
];

/** No other program is known to use names that begin with one of these. */
const OWN_PREFIXES = ['SALLYPORT_', 'JWT_', 'RATE_LIMIT_', 'REVOCATION_', 'KEY_ENCRYPTION_', 'UNVETTED_CLIENT_'];

type UnknownName = { readonly name: string; readonly nearest: string };

/**
 * Names in the environment that are meant as settings and are none: those that begin as only settings do, and those
 * that differ from the name of an unset setting by a letter or two.
 */
export function unknownNames(
  env: Readonly<Record<string, string | undefined>>,
  settings: readonly string[],
): UnknownName[] {
  const known = new Set([...settings, ...READ_ELSEWHERE, ...(env[TEST_FOLDER] === undefined ? [] : [TEST_PATIENCE])]);
  return Object.keys(env).flatMap((name) => {
    if (known.has(name) || env[name] === undefined) return [];
    const nearest = nearestName(name, settings);
    // DATABASE_URI beside DATABASE_URL is another program's.
    if (isMisspelling(name, nearest) && env[nearest] === undefined) return [{ name, nearest }];
    if (!OWN_PREFIXES.some((prefix) => name.startsWith(prefix))) return [];
    return [{ name, nearest: sameWords(name, settings) ?? nearest }];
  });
}

/** The setting with most of the name's words, such as JWT_ACCESS_EXPIRY for JWT_EXPIRY. */
function sameWords(name: string, settings: readonly string[]): string | undefined {
  const words = name.split('_').slice(1);
  const shared = (setting: string): number => setting.split('_').filter((word) => words.includes(word)).length;
  const [first = '', ...others] = settings.filter((setting) => setting.startsWith(`${name.split('_')[0]}_`));
  const best = others.reduce((one, other) => (shared(other) > shared(one) ? other : one), first);
  return shared(best) > 0 ? best : undefined;
}
