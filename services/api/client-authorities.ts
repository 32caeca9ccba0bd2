import { readFileSync } from 'node:fs';
import {
  type CertificateAuthorities,
  createCertificateAuthorities,
  readAuthorities,
} from '#services/core/access/certificates/certificate-authorities.ts';
import { type Config, ConfigError } from '#services/platform/config/load.ts';

/** The authorities in CLIENT_CERT_CA_FILE; none if it is unset. Throws ConfigError. */
export function clientAuthorities({ clientCertAuthoritiesFile: file }: Config['server']): CertificateAuthorities {
  if (file === undefined) return createCertificateAuthorities([]);
  try {
    return createCertificateAuthorities(readAuthorities(readFileSync(file, 'utf8')));
  } catch (err) {
    const { code, message } = err as NodeJS.ErrnoException;
    const problem = code === undefined ? message : `cannot be read (${code})`;
    throw new ConfigError([
      { env: 'CLIENT_CERT_CA_FILE', problem, fix: 'give a readable PEM file with the certificates of the authorities' },
    ]);
  }
}
