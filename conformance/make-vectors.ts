// Writes vectors.json: tokens, how a verifier is configured, and the code that it must answer. The keys are fixed and
// every signature is deterministic, so the file is the same in every run.
import { readFileSync, writeFileSync } from 'node:fs';
import { bindingVectors } from './cases/bindings.ts';
import { claimVectors } from './cases/claims.ts';
import { feeds } from './cases/feeds.ts';
import { forms } from './cases/forms.ts';
import { legacyFile } from './cases/legacy.ts';
import { revocationVectors } from './cases/revocations.ts';
import { signatures } from './cases/signatures.ts';
import {
  AUDIENCE,
  type Code,
  claims,
  headerOf,
  ISSUER,
  keys,
  NOW,
  type Sequence,
  token,
  type Vector,
} from './cases/world.ts';
import { jws, keyNamed, SECRET } from './signing.ts';

const next = keyNamed('rs-2');
/** Signed by no published key, under a kid that is in no set. */
const madeUp = (kid: string): string => jws(next, headerOf({ alg: next.alg, kid }), claims());

type Step = readonly [after: number, keys: string, token: string, code: Code];
const sequence = (name: string, steps: readonly Step[]): Sequence => ({
  name,
  steps: steps.map(([after, keys, text, code]) => ({ at: NOW + after, keys, token: text, code })),
});

/** The cool-down of unknown kids is 10 seconds. */
const sequences: readonly Sequence[] = [
  sequence('a key that is published in the cool-down of an unknown kid is not known yet, and then known', [
    [1, 'before', token(), 'active'],
    [2, 'before', madeUp('made-up'), 'unknown_key'],
    [3, 'published', token({}, next), 'key_ring_behind'],
    [4, 'published', token(), 'active'],
    [13, 'published', token({}, next), 'active'],
  ]),
  sequence('a kid that a set lacks, asked for after it appeared, is unknown in the cool-down too', [
    [1, 'after', token(), 'unknown_key'],
    [2, 'after', token({ jti: '0190b1d4-0000-7000-8000-00000000000d' }), 'unknown_key'],
    [3, 'after', madeUp('made-up'), 'key_ring_behind'],
    [12, 'after', madeUp('made-up'), 'unknown_key'],
    [13, 'after', token(), 'unknown_key'],
  ]),
];

const HELP = `Writes conformance/vectors.json and conformance/legacy-vectors.json.

  node conformance/make-vectors.ts          write
  node conformance/make-vectors.ts --check  exit 1 if a file does not match the cases
`;

const jwk = (name: string, changes: object = {}): object => ({ ...keyNamed(name).jwk, ...changes });
const without = (object: object, name: string): object =>
  Object.fromEntries(Object.entries(object).filter(([member]) => member !== name));

const keySets = {
  stable: [keys.rs.jwk, keys.es.jwk, keys.ed.jwk],
  before: [jwk('rs-1')],
  published: [jwk('rs-1'), jwk('rs-2')],
  after: [jwk('rs-2')],
  'to ES256': [jwk('rs-1'), jwk('es-2')],
  'to EdDSA': [jwk('rs-1'), jwk('ed-2')],
  'with a weak key': [jwk('rs-1'), jwk('rs-weak')],
  'with a key for encryption': [jwk('rs-1'), jwk('rs-2', { use: 'enc' })],
  'with a key without algorithm': [jwk('rs-1'), without(jwk('rs-2'), 'alg')],
  'with a key of another algorithm': [jwk('rs-1'), jwk('rs-2', { alg: 'PS256' })],
};

const vectors: readonly Vector[] = [...signatures, ...forms, ...claimVectors, ...revocationVectors, ...bindingVectors];

function assertSound(): void {
  const names = new Set(vectors.map(({ name }) => name));
  const twice = vectors.filter(({ name }, at) => vectors.findIndex((one) => one.name === name) !== at);
  if (names.size !== vectors.length) throw new Error(`names used twice: ${twice.map(({ name }) => name).join(', ')}`);
  for (const { name, options } of vectors) {
    if (options.keys !== undefined && !(options.keys in keySets))
      throw new Error(`${name}: no key set ${options.keys}`);
    if (options.feed !== undefined && !(options.feed in feeds)) throw new Error(`${name}: no feed ${options.feed}`);
  }
}

/** A line for each entry of a list, and of a set by name. */
function linesOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const lines = Object.entries(value).map(([name, entry]) =>
    Array.isArray(value) ? JSON.stringify(entry) : `${JSON.stringify(name)}: ${JSON.stringify(entry)}`,
  );
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return `${open}\n  ${lines.join(',\n  ')}\n ${close}`;
}

const jsonOf = (file: object): string =>
  `{\n${Object.entries(file)
    .map(([name, value]) => ` ${JSON.stringify(name)}: ${linesOf(value)}`)
    .join(',\n')}\n}\n`;

const own = (): object => ({
  about: 'Tokens and the code that a verifier must answer. Format and use: README.md. Made by make-vectors.ts.',
  version: 1,
  issuer: ISSUER,
  audience: AUDIENCE,
  secret: SECRET,
  keySets: Object.fromEntries(Object.entries(keySets).map(([name, set]) => [name, { keys: set }])),
  feeds,
  vectors,
  sequences,
});

const wanted = process.argv.slice(2);
if (wanted.includes('--help')) process.stdout.write(HELP);
else {
  assertSound();
  for (const [name, made] of Object.entries({
    'vectors.json': jsonOf(own()),
    'legacy-vectors.json': jsonOf(legacyFile(keySets.stable)),
  })) {
    const file = new URL(name, import.meta.url);
    if (!wanted.includes('--check')) writeFileSync(file, made);
    else if (readFileSync(file, 'utf8') !== made) {
      process.stderr.write(`conformance/${name} does not match its cases. Run: node conformance/make-vectors.ts\n`);
      process.exitCode = 1;
    }
  }
  if (!wanted.includes('--check')) process.stderr.write(`${vectors.length} vectors\n`);
}
