import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { makeCertificate, type TestAttribute, type TestName } from '#tools/testing/fakes/certificate-maker.ts';
import { hasName } from './client-certificate.ts';
import { canonicalName } from './distinguished-name.ts';

/** Identifiers, with the short names that a person may write and that OpenSSL prints. */
const TYPES: readonly (readonly [string, ...string[]])[] = [
  ['2.5.4.3', 'CN', 'cn'],
  ['2.5.4.4', 'SN', 'surname'],
  ['2.5.4.5', 'serialNumber', 'SERIALNUMBER'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST', 'S'],
  ['2.5.4.9', 'street'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['2.5.4.12', 'title'],
  ['2.5.4.13', 'description'],
  ['2.5.4.15', 'businessCategory'],
  ['2.5.4.16', 'postalAddress'],
  ['2.5.4.17', 'postalCode'],
  ['2.5.4.20', 'telephoneNumber'],
  ['2.5.4.41', 'name'],
  ['2.5.4.42', 'GN', 'givenName'],
  ['2.5.4.43', 'initials'],
  ['2.5.4.44', 'generationQualifier'],
  ['2.5.4.45', 'x500UniqueIdentifier'],
  ['2.5.4.46', 'dnQualifier'],
  ['2.5.4.65', 'pseudonym'],
  ['2.5.4.72', 'role'],
  ['2.5.4.97', 'organizationIdentifier'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
  ['1.2.840.113549.1.9.1', 'emailAddress', 'E'],
  ['1.2.840.113549.1.9.2', 'unstructuredName'],
  ['1.3.6.1.4.1.311.60.2.1.1', 'jurisdictionL'],
  ['1.3.6.1.4.1.311.60.2.1.2', 'jurisdictionST'],
  ['1.3.6.1.4.1.311.60.2.1.3', 'jurisdictionC'],
  ['1.2.3.4.5'],
];

/** Characters that have a meaning in a name come often. */
const character = fc.oneof(
  fc.constantFrom(...' #"+,;<=>\\\n\u0000\u00a0aA'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
);
const attribute: fc.Arbitrary<TestAttribute> = fc.record({
  type: fc.constantFrom(...TYPES.map(([type]) => type)),
  value: fc.array(character, { minLength: 1, maxLength: 8 }).map((characters) => characters.join('')),
});
const name: fc.Arbitrary<TestName> = fc.array(fc.array(attribute, { minLength: 1, maxLength: 3 }), {
  minLength: 1,
  maxLength: 4,
});
/** Decisions of a writer, each between 0 and 1. */
const choices = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));

const hexOf = (text: string): string =>
  [...Buffer.from(text)].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');

/** One of the ways to write the name in RFC 4514: last RDN first. */
function written(rdns: TestName, choice: Iterator<number>): string {
  const pick = <T>(options: readonly T[]): T =>
    options[Math.floor((choice.next().value as number) * options.length)] as T;
  const escaped = (value: string): string => {
    const characters = [...value];
    return characters
      .map((text, at) => {
        const isEdge = text === ' ' && (at === 0 || at === characters.length - 1);
        if ('"+,;<>\\'.includes(text) || isEdge || (text === '#' && at === 0)) return pick([`\\${text}`, hexOf(text)]);
        if (text === '\u0000') return hexOf(text);
        if (' #='.includes(text)) return pick([text, `\\${text}`, hexOf(text)]);
        return pick([text, text, hexOf(text)]);
      })
      .join('');
  };
  const attributeOf = ({ type, value }: TestAttribute): string => {
    const names = TYPES.find(([identifier]) => identifier === type) as readonly string[];
    const gap = () => pick(['', '', ' ']);
    const encoded = Buffer.from(value);
    const isEncoded = pick([false, false, true]);
    const text = isEncoded
      ? `#0c${Buffer.from([encoded.length]).toString('hex')}${encoded.toString('hex')}`
      : escaped(value);
    return `${gap()}${pick(names)}${gap()}=${gap()}${text}${gap()}`;
  };
  const rdnOf = (attributes: readonly TestAttribute[]): string => {
    const inSomeOrder = attributes
      .map((each) => ({ each, place: choice.next().value as number }))
      .sort((a, b) => a.place - b.place);
    return inSomeOrder.map(({ each }) => attributeOf(each)).join('+');
  };
  return rdns.map(rdnOf).reverse().join(',');
}

/** Equal for equal names only: RDNs in order, the attributes of an RDN in any order. */
const meaning = (rdns: TestName): string =>
  JSON.stringify(rdns.map((attributes) => attributes.map(({ type, value }) => `${type}=${value}`).sort()));

const isSubject = (rdns: TestName, text: string): boolean =>
  hasName({ x509: new X509Certificate(makeCertificate({ subject: rdns }).der) }, 'subject_dn', text);

describe('a distinguished name (RFC 4514)', () => {
  test('has one form, however it is escaped, abbreviated, spaced and ordered within an RDN', () =>
    fc.assert(
      fc.property(name, choices, choices, (rdns, one, other) => {
        const form = canonicalName(written(rdns, one));
        expect(form).not.toBeNull();
        expect(canonicalName(written(rdns, other))).toBe(form);
      }),
      { numRuns: 500 },
    ));

  test('has another form than every other name', () => {
    const near = name.chain((rdns) =>
      fc.tuple(
        fc.constant(rdns),
        fc.oneof(
          name,
          fc.shuffledSubarray([...rdns], { minLength: rdns.length }),
          fc.constant(rdns.slice(1)),
          fc.constant([rdns.flat()]),
          fc.constant(rdns.flat().map((each) => [each])),
          fc.constant(rdns.map((rdn) => rdn.map((each) => ({ ...each, value: each.value.trim() })))),
          fc.constant(rdns.map((rdn) => rdn.map((each) => ({ ...each, value: each.value.toLowerCase() })))),
        ),
      ),
    );
    fc.assert(
      fc.property(near, choices, ([one, other], choice) => {
        fc.pre(other.length > 0 && meaning(one) !== meaning(other));
        expect(canonicalName(written(one, choice))).not.toBe(canonicalName(written(other, choice)));
      }),
      { numRuns: 500 },
    );
  });

  test('is the subject of a real certificate with that name, and of no other', () => {
    // OpenSSL does not escape a value that is only `#`, so no name matches that.
    const printable = name.filter((rdns) => rdns.flat().every(({ value }) => value !== '#'));
    fc.assert(
      fc.property(printable, name, choices, (rdns, other, choice) => {
        expect(isSubject(rdns, written(rdns, choice))).toBe(true);
        if (meaning(other) !== meaning(rdns)) expect(isSubject(rdns, written(other, choice))).toBe(false);
      }),
      { numRuns: 150 },
    );
  });

  test.each(TYPES)('knows the attribute %s by each of its names', (type, ...names) => {
    for (const text of [type, ...names]) expect(isSubject([[{ type, value: 'x' }]], `${text}=x`)).toBe(true);
  });

  test('compares a string of another kind by its text', () => {
    const printable = [[{ type: '2.5.4.97', value: 'PSDDE-BAFIN-1', tag: 0x13 }]];
    const hex = Buffer.from('PSDDE-BAFIN-1').toString('hex');
    for (const text of [
      `2.5.4.97=#0c0d${hex}`,
      `2.5.4.97=#130D${hex}`,
      `2.5.4.97=#0c810d${hex}`,
      'organizationIdentifier=PSDDE-BAFIN-1',
    ])
      expect(isSubject(printable, text)).toBe(true);
  });

  test.each([
    ['an empty text', ''],
    ['no value', 'CN'],
    ['no type', '=a'],
    ['an OID with a prefix', 'OID.2.5.4.3=a'],
    ['an end without an attribute', 'CN=a,'],
    ['an RDN that ends with a plus', 'CN=a+'],
    ['a value in quotes', 'CN="a"'],
    ['a semicolon', 'CN=a;O=b'],
    ['an unknown escape', 'CN=\\q'],
    ['an escape at the end', 'CN=a\\'],
    ['bytes that are not UTF-8', 'CN=\\ff'],
    ['an encoding without bytes', 'CN=#'],
    ['half a byte', 'CN=#0c0161f'],
    ['an encoding that is longer than its content', 'CN=#0c0261'],
    ['an encoding that is shorter than its content', 'CN=#0c016161'],
    ['an encoding that ends in its header', 'CN=#0c'],
    ['an encoded number', 'CN=#020161'],
    ['encoded bytes', 'CN=#04024869'],
    ['encoded UTF-8 that is none', 'CN=#0c01ff'],
    ['encoded ASCII that is none', 'CN=#1301ff'],
    ['text after an encoding', 'CN=#0c0161b'],
  ])('is none with %s', (_what, text) => expect(canonicalName(text)).toBeNull());

  test('ends at spaces, and not at other white space, which two names may differ in', () => {
    expect(canonicalName('CN=a ')).toBe(canonicalName('CN=a'));
    for (const text of ['CN=a\u00a0', 'CN=a\t', 'CN=a\\ ', 'CN=a\\20', 'CN=\\ a'])
      expect(canonicalName(text)).not.toBe(canonicalName('CN=a'));
  });
});
