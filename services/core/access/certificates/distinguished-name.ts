import { isAscii, isUtf8 } from 'node:buffer';

/** Short names of attributes (RFC 4514 §3, RFC 4519, and those of OpenSSL), in capitals, with their identifiers. */
const IDENTIFIERS: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  SN: '2.5.4.4',
  SURNAME: '2.5.4.4',
  SERIALNUMBER: '2.5.4.5',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  S: '2.5.4.8',
  STREET: '2.5.4.9',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  TITLE: '2.5.4.12',
  DESCRIPTION: '2.5.4.13',
  BUSINESSCATEGORY: '2.5.4.15',
  POSTALADDRESS: '2.5.4.16',
  POSTALCODE: '2.5.4.17',
  TELEPHONENUMBER: '2.5.4.20',
  NAME: '2.5.4.41',
  GN: '2.5.4.42',
  GIVENNAME: '2.5.4.42',
  INITIALS: '2.5.4.43',
  GENERATIONQUALIFIER: '2.5.4.44',
  X500UNIQUEIDENTIFIER: '2.5.4.45',
  DNQUALIFIER: '2.5.4.46',
  PSEUDONYM: '2.5.4.65',
  ROLE: '2.5.4.72',
  ORGANIZATIONIDENTIFIER: '2.5.4.97',
  UID: '0.9.2342.19200300.100.1.1',
  DC: '0.9.2342.19200300.100.1.25',
  E: '1.2.840.113549.1.9.1',
  EMAILADDRESS: '1.2.840.113549.1.9.1',
  UNSTRUCTUREDNAME: '1.2.840.113549.1.9.2',
  JURISDICTIONL: '1.3.6.1.4.1.311.60.2.1.1',
  JURISDICTIONST: '1.3.6.1.4.1.311.60.2.1.2',
  JURISDICTIONC: '1.3.6.1.4.1.311.60.2.1.3',
};

const TYPE = / *([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+) *= */y;
/** Hexadecimal bytes, an escaped character, or characters that need no escape (RFC 4514 §2.4). */
const PIECE = /\\([0-9A-Fa-f]{2})|\\([ "#+,;<=>\\])|([^\\+,;"<>]+)/y;
/** A value as the bytes of its encoding (RFC 4514 §2.4). */
const ENCODED = /#((?:[0-9A-Fa-f]{2})+) */y;
const UTF8_STRING = 0x0c;
/** NumericString, PrintableString and IA5String. */
const ASCII_STRINGS = [0x12, 0x13, 0x16];

type Value = { readonly value: string; readonly end: number };

/** The text of an encoded string of up to 255 bytes; null for every other encoding. */
function textOfEncoded(bytes: Buffer): string | null {
  const [tag = 0, first, second] = bytes;
  const content = bytes.subarray(first === 0x81 ? 3 : 2);
  if (content.length !== (first === 0x81 ? second : first)) return null;
  const isText = tag === UTF8_STRING ? isUtf8(content) : ASCII_STRINGS.includes(tag) && isAscii(content);
  return isText ? content.toString() : null;
}

function encodedValueAt(text: string, at: number): Value | null {
  ENCODED.lastIndex = at;
  const hex = ENCODED.exec(text)?.[1];
  const value = hex === undefined ? null : textOfEncoded(Buffer.from(hex, 'hex'));
  return value === null ? null : { value, end: ENCODED.lastIndex };
}

function spacesAtEnd(text: string): number {
  let start = text.length;
  while (text[start - 1] === ' ') start -= 1;
  return text.length - start;
}

function valueAt(text: string, at: number): Value | null {
  if (text[at] === '#') return encodedValueAt(text, at);
  const pieces: Buffer[] = [];
  let end = at;
  // Spaces around a value count only if they are escaped.
  let spaces = 0;
  for (;;) {
    PIECE.lastIndex = end;
    const piece = PIECE.exec(text);
    if (piece === null) break;
    const [, hex, escaped, plain] = piece;
    pieces.push(hex === undefined ? Buffer.from(escaped ?? (plain as string)) : Buffer.from(hex, 'hex'));
    spaces = plain === undefined ? 0 : spacesAtEnd(plain);
    end = PIECE.lastIndex;
  }
  const bytes = Buffer.concat(pieces);
  return isUtf8(bytes) ? { value: bytes.toString().slice(0, -spaces || undefined), end } : null;
}

/** One attribute at `at`, as `identifier=value`, and where it ends; null if it is malformed. */
function attributeAt(text: string, at: number): { readonly attribute: string; readonly end: number } | null {
  TYPE.lastIndex = at;
  const name = TYPE.exec(text)?.[1];
  const found = name === undefined ? null : valueAt(text, TYPE.lastIndex);
  if (name === undefined || found === null) return null;
  const identifier = IDENTIFIERS[name.toUpperCase()] ?? name.toUpperCase();
  return { attribute: `${identifier}=${found.value}`, end: found.end };
}

/**
 * A distinguished name (RFC 4514) in one form: attributes by identifier, values without escapes, and the attributes of a
 * multi-valued RDN in one order. Two names are the same if and only if these texts are; values are compared exactly. Null
 * for a malformed or empty name.
 */
export function canonicalName(text: string): string | null {
  const names: string[][] = [[]];
  let at = 0;
  for (;;) {
    const found = attributeAt(text, at);
    if (found === null) return null;
    names.at(-1)?.push(found.attribute);
    const separator = text[found.end];
    if (separator === undefined) return JSON.stringify(names.map((attributes) => attributes.sort()));
    if (separator !== ',' && separator !== '+') return null;
    if (separator === ',') names.push([]);
    at = found.end + 1;
  }
}
