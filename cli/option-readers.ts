import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CERTIFICATE_NAMES } from '../services/core/access/certificates/certificate-shapes.ts';
import { findUserId } from '../services/core/identity/users/find-user-id.ts';
import type { Ports } from '../services/core/ports.ts';
import type { CommandReader } from '../services/platform/define/command-option.ts';
import { instantOf } from './arguments.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { optionOf } from './input-problems.ts';

type Reads = (text: string, member: string, ports: Pick<Ports, 'sql'>) => object | Promise<object>;

function fileWith(what: string, file: string, read: (text: string) => unknown): unknown {
  try {
    return read(readFileSync(file, 'utf8'));
  } catch {
    throw new CommandError(exitCodes.usage, `${file} is not a readable ${what}`, `give a ${what}`);
  }
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** RFC 7517 §4.1, by the names of node:crypto. */
const KEY_TYPES: Readonly<Record<string, string>> = { ec: 'EC', rsa: 'RSA' };

function jwksOfCertificates(pem: string): unknown {
  const keys = (pem.match(PEM) ?? []).map((text) => {
    const { publicKey, raw } = new X509Certificate(text);
    return { kty: KEY_TYPES[publicKey.asymmetricKeyType ?? ''] ?? 'OKP', x5c: [raw.toString('base64')] };
  });
  return { keys };
}

/** A PNG file as the data URL of the API. */
function pngOf(file: string): string {
  try {
    return `data:image/png;base64,${readFileSync(file, 'base64')}`;
  } catch {
    throw new CommandError(exitCodes.usage, `${file} is not a readable file`, 'give a PNG file of at most 24 KB');
  }
}

function certificateNameOf(text: string): object {
  const [kind, ...value] = text.split('=');
  if (!CERTIFICATE_NAMES.some((known) => known === kind))
    throw new CommandError(
      exitCodes.usage,
      '--certificate-name has no kind',
      `write it as san_dns=client.example; kinds are ${CERTIFICATE_NAMES.join(', ')}`,
    );
  return { [`tls_client_auth_${kind}`]: value.join('=') };
}

/** What the text of an option means: the members of the request that it sets. */
export const optionReaders: Readonly<Record<CommandReader, Reads>> = {
  /** `EUR=1000,USD=500` */
  amounts: (text, member) => ({
    [member]: Object.fromEntries(
      text.split(',').map((each) => {
        const [currency, most] = each.split('=', 2);
        return [currency, most === '' ? Number.NaN : Number(most)];
      }),
    ),
  }),
  'jwks-file': (file) => ({ jwks: fileWith('JSON file with a JWK set', file, (text) => JSON.parse(text)) }),
  'json-file': (file, member) => ({ [member]: fileWith('JSON file', file, (text) => JSON.parse(text)) }),
  'certificates-file': (file) => ({ jwks: fileWith('PEM file with certificates', file, jwksOfCertificates) }),
  'certificate-name': certificateNameOf,
  'png-file': (file, member) => ({ [member]: pngOf(file) }),
  /** For what is secret: arguments are in the history of a shell and in the list of processes. */
  'text-file': (file, member) => ({ [member]: fileWith('text file', file, (text) => text.trim()) }),
  /** A day, or a time; the day counts from its first moment, or to its last. */
  'from-day': (text, member) => ({ [member]: instantOf(text, optionOf([member]), 'first') }),
  'to-day': (text, member) => ({ [member]: instantOf(text, optionOf([member]), 'last') }),
  /** By id or e-mail address. */
  user: async (text, member, ports) => ({ [member]: await findUserId(ports, text) }),
};
