import type { ErrorObject } from 'ajv';
import { formatProblem, MISSING, nounOf, OTHER_FORM, oneOf, sized } from '../define/input-problem.ts';
import { likelyName } from '../define/nearest-name.ts';

type SchemaProblem = { readonly at: string; readonly why: string };
/** Of a schema that was compiled with `verbose`. */
type Failure = Partial<ErrorObject> & Pick<ErrorObject, 'keyword' | 'instancePath'>;

const PROBLEMS_MAX = 5;
const NAME_MAX = 64;
const NAMES_SHOWN_MAX = 12;

const NO_CONTROLS = '^[^\\u0000-\\u001f\\u007f-\\u009f\\ud800-\\udfff]*$';
/** Patterns that no sentence can be made of, by their beginning. */
const PATTERNS: readonly (readonly [begins: string, why: string])[] = [
  [NO_CONTROLS, 'must not have line breaks or other control characters'],
  ['^[^@]{1,64}@', 'may have at most 64 characters before the @'],
  ['^([01]\\d|2[0-3]):[0-5]\\d$', 'is not a time such as 22:30'],
  ['^https:', 'is not an https URL'],
  ['^https?:', 'is not an http or https URL'],
  ['^[\\x21\\x23-\\x5b\\x5d-\\x7e]+( ', 'must be a list of scopes, separated by single spaces'],
  ['^[\\x21\\x23-\\x5b\\x5d-\\x7e]', 'must be one scope, without spaces, quotes and backslashes'],
  ['^[\\x21-\\x7e]', 'may have only printable ASCII characters without spaces'],
];
/** One class of characters, and how many of them. */
const ONE_CLASS = /^\^\[([^\]^][^\]]*)\](?:[*+]|\{(\d+)(?:,(\d+))?\})\$$/;
const RANGES: Readonly<Record<string, string>> = {
  '\\w': 'letters, digits, _',
  'A-Z': 'capital letters',
  'a-z': 'small letters',
  'a-f': 'a to f',
  '0-9': 'digits',
  '\\d': 'digits',
};

/** `[\w.-]{1,64}`: letters, digits, _, . and -, 1 to 64 of them. */
function classSentence(characters: string, least?: string, most?: string): string {
  const parts = (characters.match(/\\?.-[^\]]|\\.|./g) ?? []).map((part) => RANGES[part] ?? part.replace('\\', ''));
  const listed = parts.join(', ');
  const count = least === undefined ? '' : `, ${most === undefined ? least : `${least} to ${most}`} of them`;
  return `may have only ${listed}${count}`;
}

function patternProblem(pattern: string): string {
  const known = PATTERNS.find(([begins]) => pattern.startsWith(begins));
  if (known !== undefined) return known[1];
  const [, characters, least, most] = ONE_CLASS.exec(pattern) ?? [];
  return characters === undefined ? OTHER_FORM : classSentence(characters, least, most);
}

const shown = (name: string): string => name.slice(0, NAME_MAX);

function unknownProblem(name: string, known: readonly string[]): string {
  const likely = likelyName(name, known);
  if (likely !== undefined) return `is not known here: did you mean ${likely}?`;
  if (known.length === 0) return 'is not known here: nothing is expected';
  return known.length > NAMES_SHOWN_MAX ? 'is not known here' : `is not known here: known are ${known.join(', ')}`;
}

/** The members that a closed schema does not know. */
function unknownOf({ parentSchema = {}, data }: Failure, at: string): readonly SchemaProblem[] {
  if (parentSchema.additionalProperties !== false || typeof data !== 'object' || data === null) return [];
  const given = Object.keys(data);
  const known = Object.keys((parentSchema.properties ?? {}) as Readonly<Record<string, unknown>>);
  const left = known.filter((name) => !given.includes(name));
  return given
    .filter((name) => !known.includes(name))
    .map((name) => ({ at: `${at}/${shown(name)}`, why: unknownProblem(name, left) }));
}

function whyOf({ keyword, params = {}, parentSchema = {}, schema, data }: Failure): string {
  const limit = params.limit as number;
  switch (keyword) {
    case 'type':
      return `must be ${[params.type].flat().map(nounOf).join(' or ')}`;
    case 'minLength':
      return `must ${sized('string', 'least', limit)}`;
    case 'maxLength':
      return `may ${sized('string', 'most', limit)}`;
    case 'minItems':
      return `must ${sized('array', 'least', limit)}`;
    case 'maxItems':
      return `may ${sized('array', 'most', limit)}`;
    case 'minimum':
      return `must ${sized('number', 'least', limit)}`;
    case 'maximum':
      return `may ${sized('number', 'most', limit)}`;
    case 'exclusiveMinimum':
      return `must be more than ${limit}`;
    case 'exclusiveMaximum':
      return `must be less than ${limit}`;
    case 'enum':
      return oneOf(schema as readonly unknown[], data);
    case 'const':
      return `must be ${String(schema)}`;
    case 'format':
      return formatProblem(params.format as string);
    case 'pattern':
      return typeof parentSchema.format === 'string'
        ? formatProblem(parentSchema.format)
        : patternProblem(params.pattern as string);
    default:
      return OTHER_FORM;
  }
}

const depthOf = ({ keyword, params, instancePath }: Failure): number =>
  instancePath.split('/').length - (keyword === 'type' && params?.type === 'null' ? 0.5 : 0);

/** What is wrong with a request, in the words of the house. `place` is its part: `body`, `querystring`, `params`. */
export function schemaProblems(errors: readonly Failure[], place: string): readonly SchemaProblem[] {
  // Of alternatives, the one that was followed farthest.
  const failure = errors.reduce<Failure | undefined>(
    (best, each) => (best === undefined || depthOf(each) > depthOf(best) ? each : best),
    undefined,
  );
  if (failure === undefined) return [{ at: place, why: OTHER_FORM }];
  const at = `${place}${failure.instancePath}`;
  const unknown = unknownOf(failure, at);
  if (failure.keyword === 'required') {
    const missing = { at: `${at}/${failure.params?.missingProperty as string}`, why: MISSING };
    return [...unknown.slice(0, PROBLEMS_MAX), missing];
  }
  if (failure.keyword === 'additionalProperties') return unknown.slice(0, PROBLEMS_MAX);
  return [{ at, why: whyOf(failure) }];
}
