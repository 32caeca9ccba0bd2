// The contract of the verifier packages in all languages: options, defaults, limits, codes and log lines. Written to
// conformance/contract.json and to the constants of each package.
import { CLIENT_AHEAD_SECONDS } from '#services/core/tokens/client-clock.ts';
import { clientRefused, verifierErrors } from '#services/core/tokens/verify/verifier-errors.ts';

type VerifierOption = {
  readonly type: string;
  /** Undefined: required, or nothing unless given. */
  readonly default?: string | number | boolean | readonly string[];
  /** Of a number. */
  readonly minimum?: number;
  readonly maximum?: number;
  readonly meaning: string;
};

/** Times are in seconds. */
const options = {
  issuer: {
    type: 'string',
    meaning: 'The `iss` of tokens, exactly: JWT_ISSUER, or the public URL of the API. Required.',
  },
  audience: { type: 'string', meaning: 'The audience that tokens must be for. The issuer unless given.' },
  url: { type: 'string', meaning: 'Base URL of the API, if it differs from the issuer. https, except on loopback.' },
  allowHttp: { type: 'boolean', default: false, meaning: 'Allow `url` to be http on a trusted network.' },
  algorithms: {
    type: "('RS256' | 'ES256' | 'EdDSA' | 'HS256')[]",
    default: ['RS256', 'ES256', 'EdDSA'],
    meaning: 'The algorithms that are accepted. HS256 only if named here, with `secret`.',
  },
  secret: {
    type: 'string | string[]',
    meaning: 'JWT_SECRET of HS256 mode, at least 32 bytes; several while it changes. Refused unless HS256 is named.',
  },
  clockSkew: { type: 'number', default: 5, minimum: 0, maximum: 60, meaning: 'Allowed difference between clocks.' },
  jwksTtl: {
    type: 'number',
    default: 300,
    minimum: 1,
    maximum: 86_400,
    meaning: 'How long keys are used before they are fetched again; Cache-Control may shorten it.',
  },
  jwksCooldown: {
    type: 'number',
    default: 10,
    minimum: 0,
    maximum: 3_600,
    meaning: 'Shortest time between two fetches caused by an unknown kid.',
  },
  maxStale: {
    type: 'number',
    default: 60,
    minimum: 0,
    maximum: 86_400,
    meaning:
      'How long keys are used beyond `jwksTtl`, and revocations beyond the bound that the feed names, while they cannot be renewed.',
  },
  feed: {
    type: "'off' | 'poll' | 'sse' | 'file'",
    default: 'poll',
    meaning: 'How revocations are read. off: a revoked token is accepted until it expires.',
  },
  feedInterval: {
    type: 'number',
    default: 0.5,
    minimum: 0.05,
    maximum: 60,
    meaning: 'Time between two polls of the feed or the file.',
  },
  feedFile: { type: 'string', meaning: 'The file of the feed `file`, which another process writes.' },
  clientId: {
    type: 'string',
    meaning: 'A client with `revocations:read`; for introspection also with `tokens:introspect`.',
  },
  clientSecret: { type: 'string', meaning: 'The secret of the client.' },
  onStale: {
    type: "'fail' | 'serve' | 'introspect'",
    default: 'fail',
    meaning:
      'After `maxStale`: answer 503, accept by the last known keys and revocations, or ask the API about each token.',
  },
  requiredScopes: { type: 'string[]', default: [], meaning: 'Scopes that every token must have.' },
  timeout: {
    type: 'number',
    default: 2,
    minimum: 0.05,
    maximum: 60,
    meaning: 'Limit of one request to the API. Reading all parts of the feed takes at most ten times as long.',
  },
  cacheSize: {
    type: 'number',
    default: 10_000,
    minimum: 0,
    maximum: 1_000_000,
    meaning: 'Verified tokens kept in memory; 0 for none.',
  },
  legacy: {
    type: '{ issuer, jwksUri, audience, until }',
    meaning:
      'The old provider, whose access tokens are accepted until the time `until`, marked in the result. None unless given.',
  },
} as const satisfies Record<string, VerifierOption>;

/** What no option changes. */
const limits = {
  tokenCharacters: 8_192,
  headerCharacters: 512,
  jsonDepth: 16,
  keySetBytes: 262_144,
  keySetKeys: 100,
  feedAnswerBytes: 4_194_304,
  /** Of a snapshot; each has at most 5,000 entries. */
  feedParts: 2_000,
  /** Of all parts of a snapshot together. */
  feedReadBytes: 268_435_456,
  /** How long reading all parts of a snapshot may take, as a multiple of the option `timeout`. */
  feedReadTimeouts: 10,
  feedFileBytes: 268_435_456,
  /** Incarnations that a verifier has left, and that may not return. */
  incarnationsLeft: 16,
  proofCharacters: 8_192,
  proofClaimCharacters: 256,
  /** Oldest DPoP proof that is accepted. */
  proofSeconds: 60,
  /** How far the clock of a client that signs a proof may be ahead, if `clockSkew` is shorter. */
  proofAheadSeconds: CLIENT_AHEAD_SECONDS,
  /** Used proofs that a process remembers per window; it keeps two windows, each as long as a proof could be accepted. */
  proofsRemembered: 200_000,
  introspectionBytes: 65_536,
  introspectionsAtOnce: 64,
  shortestSecretBytes: 32,
  longestRetryAfterSeconds: 30,
} as const;

/**
 * What a verifier logs when the feed changes, one line for each change. {code} is the code that tokens are answered with
 * once nothing fresh is left, {reason} the last failure.
 */
const logs = {
  refused: `Sallyport verifier: ${clientRefused.definition.code}: {reason}. ${clientRefused.definition.fix}`,
  stale:
    'Sallyport verifier: {code}: {reason}. Until keys and revocations are read, tokens are answered as `onStale` says.',
  back: 'Sallyport verifier: keys and revocations are read again.',
} as const;

const codes = () =>
  Object.fromEntries(
    verifierErrors.map(({ definition: { code, status, title, cause, fix, retryable } }) => [
      code,
      { status, title, cause, fix, retryable },
    ]),
  );

/** For packages in any language. */
export const verifierContractJson = (): string =>
  `${JSON.stringify({ about: 'Generated by `npm run catalog`. Times are in seconds.', options, limits, codes: codes(), logs }, null, 2)}\n`;

function ofOptions(read: (option: VerifierOption) => unknown): Record<string, unknown> {
  const all = Object.entries<VerifierOption>(options).map(([name, option]) => [name, read(option)] as const);
  return Object.fromEntries(all.filter(([, value]) => value !== undefined));
}

const constant = (about: string, name: string, value: unknown): string =>
  `/** ${about} */\nexport const ${name} = ${JSON.stringify(value, null, 2)} as const;\n`;

/** The constants of `@sallyport/verifier`. */
export const verifierConstantsTs = (): string =>
  [
    '// Generated by `npm run catalog`; edit the definitions, not this file.\n',
    constant(
      'Defaults of the options. Times are in seconds.',
      'DEFAULTS',
      ofOptions((option) => option.default),
    ),
    constant(
      'Smallest and largest value of the options that are numbers.',
      'BOUNDS',
      ofOptions(({ minimum, maximum }) => (minimum === undefined ? undefined : [minimum, maximum])),
    ),
    constant('What no option changes.', 'LIMITS', limits),
    constant('Every code, with the status of its response and texts for people.', 'CODES', codes()),
    constant('Lines of the log: one for each change of the feed.', 'LOGS', logs),
  ].join('\n');

/** Lines in the columns that gofmt gives them. */
function aligned(rows: readonly (readonly [string, string])[], between: string): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, rest]) => `${name.padEnd(width)}${between}${rest}`).join('\n');
}

const upperFirst = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const goName = (text: string): string =>
  text.split('_').map(upperFirst).join('').replace(/Jwks/, 'JWKS').replace(/Json/, 'JSON');
const goString = (text: string): string => JSON.stringify(text);

/** The constants of the Go module, as gofmt writes them. */
export function verifierConstantsGo(): string {
  const all = Object.entries<VerifierOption>(options);
  const defaults = all.flatMap(([name, option]): [string, string][] =>
    typeof option.default === 'string' || typeof option.default === 'number'
      ? [[`\tdefault${goName(name)}`, JSON.stringify(option.default)]]
      : [],
  );
  const bounds = all.flatMap(([name, { minimum, maximum }]): [string, string][] =>
    minimum === undefined ? [] : [[`\t${goString(name)}:`, `{${minimum}, ${maximum}},`]],
  );
  const algorithms = options.algorithms.default.map(goString).join(', ');
  const known = verifierErrors.map(({ definition }) => definition);
  const texts = known.map(({ code, status, title, cause, fix, retryable }) => {
    const members: [string, string][] = [
      ['\t\tStatus:', `${status},`],
      ['\t\tTitle:', `${goString(title)},`],
      ['\t\tCause:', `${goString(cause)},`],
      ['\t\tFix:', `${goString(fix)},`],
      ['\t\tRetryable:', `${retryable},`],
    ];
    return `\tCode${goName(code)}: {\n${aligned(members, ' ')}\n\t},`;
  });
  return [
    '// Code generated by `npm run catalog`; DO NOT EDIT.\n\npackage verifier\n',
    `// Defaults of the options. Times are in seconds.\nconst (\n${aligned(defaults, ' = ')}\n)\n`,
    `var defaultAlgorithms = []string{${algorithms}}\n`,
    `// Smallest and largest value of the options that are numbers.\nvar bounds = map[string][2]float64{\n${aligned(bounds, ' ')}\n}\n`,
    `// What no option changes.\nconst (\n${aligned(
      Object.entries(limits).map(([name, value]) => [`\tlimit${goName(name)}`, String(value)]),
      ' = ',
    )}\n)\n`,
    `// Every code.\nconst (\n${aligned(
      known.map(({ code }) => [`\tCode${goName(code)}`, goString(code)]),
      ' Code = ',
    )}\n)\n`,
    `var definitions = map[Code]Definition{\n${texts.join('\n')}\n}\n`,
    `// Lines of the log: one for each change of the feed.\nconst (\n${aligned(
      Object.entries(logs).map(([name, line]) => [`\tlog${goName(name)}`, goString(line)]),
      ' = ',
    )}\n)\n`,
  ].join('\n');
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** A JSON value as a Python expression. */
function python(value: unknown, indent = ''): string {
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (Array.isArray(value)) return `(${value.map((item) => `${python(item)},`).join(' ')})`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const lines = Object.entries(value).map(
    ([name, item]) => `${indent}    ${JSON.stringify(name)}: ${python(item, `${indent}    `)},\n`,
  );
  return `{\n${lines.join('')}${indent}}`;
}

const snakeNames = (values: object): object =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [snake(name), value]));

export const verifierConstantsPy = (): string => {
  const names = Object.keys(codes()).map((code) => `    ${JSON.stringify(code)},\n`);
  const bounds = ofOptions(({ minimum, maximum }) => (minimum === undefined ? undefined : [minimum, maximum]));
  return [
    '# Generated by `npm run catalog`; edit the definitions, not this file.\n',
    '"""Constants that the verifier packages of all languages share. Times are in seconds."""\n\n',
    'from typing import Any, Final, Literal, TypedDict\n\n',
    `VerifierCode = Literal[\n${names.join('')}]\n\n\n`,
    'class CodeText(TypedDict):\n    """Status of the response to a code, and texts for people."""\n\n',
    '    status: int\n    title: str\n    cause: str\n    fix: str\n    retryable: bool\n\n\n',
    `DEFAULTS: Final[dict[str, Any]] = ${python(snakeNames(ofOptions((option) => option.default)))}\n\n`,
    `BOUNDS: Final[dict[str, tuple[float, float]]] = ${python(snakeNames(bounds))}\n\n`,
    ...Object.entries(limits).map(([name, value]) => `${snake(name).toUpperCase()}: Final = ${value}\n`),
    `\nCODES: Final[dict[VerifierCode, CodeText]] = ${python(codes())}\n`,
    `\nLOGS: Final[dict[str, str]] = ${python(logs)}\n`,
  ].join('');
};
