import type { CountryOf } from '#services/platform/geo/country-table.ts';
import homes from './homes.json' with { type: 'json' };
import type { Dice } from './random.ts';

/** Addresses where the real table of countries puts them, and browsers as they are spread. */
export type Places = {
  /** A new public IPv4 address in this country. */
  address(country: string): string;
  /** An address that no table can place: a satellite link, a new block, a private network behind the proxy. */
  unplaced(): string;
  agent(): string;
};

/** Countries of the simulated users, with their share. */
export const HOMES: readonly (readonly [string, number])[] = Object.entries(homes);
export const ABROAD = ['US', 'GB', 'FR', 'ES', 'IT', 'JP', 'SG', 'AE', 'TH', 'TR', 'GR', 'PT', 'AU', 'ZA', 'MX', 'CA'];
const ATTACKING = ['RU', 'CN', 'VN', 'NG', 'RO', 'UA', 'ID', 'IR'];
const WANTED: ReadonlySet<string> = new Set([...HOMES.map(([code]) => code), ...ABROAD, ...ATTACKING]);

const POOL = 400;

const WINDOWS = 'Windows NT 10.0; Win64; x64';
const MAC = 'Macintosh; Intel Mac OS X 10_15_7';
const LINUX = 'X11; Linux x86_64';
const chrome = (on: string, isMobile = false): string =>
  `Mozilla/5.0 (${on}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/151.0.0.0 ${isMobile ? 'Mobile ' : ''}Safari/537.36`;
const safari = (on: string, as: string): string =>
  `Mozilla/5.0 (${on}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.4 ${as}`;
const firefox = (on: string): string => `Mozilla/5.0 (${on}; rv:149.0) Gecko/20100101 Firefox/149.0`;

/** Browsers with their share among users; versions are of one month. */
const AGENTS: readonly (readonly [string, number])[] = [
  [chrome(WINDOWS), 28],
  [`${chrome(WINDOWS)} Edg/151.0.0.0`, 12],
  [chrome(MAC), 9],
  [safari(MAC, 'Safari/605.1.15'), 7],
  [safari('iPhone; CPU iPhone OS 26_4 like Mac OS X', 'Mobile/15E148 Safari/604.1'), 18],
  [chrome('Linux; Android 10; K', true), 16],
  [firefox(WINDOWS), 5],
  [firefox(LINUX), 2],
  [chrome(LINUX), 3],
];

export function createPlaces(dice: Dice, countryOf: CountryOf): Places {
  const pools = new Map<string, string[]>();
  const draw = (): void => {
    const ip = `${dice.whole(1, 223)}.${dice.whole(0, 255)}.${dice.whole(0, 255)}.${dice.whole(1, 254)}`;
    const country = countryOf(ip);
    if (country !== null && WANTED.has(country)) {
      const pool = pools.get(country) ?? [];
      if (pool.length < POOL) pool.push(ip);
      pools.set(country, pool);
    }
  };
  return {
    address: (country) => {
      while ((pools.get(country)?.length ?? 0) === 0) draw();
      return pools.get(country)?.pop() as string;
    },
    unplaced: () => `10.${dice.whole(0, 255)}.${dice.whole(0, 255)}.${dice.whole(1, 254)}`,
    agent: () => dice.weighted(AGENTS),
  };
}

/** Where an attack comes from, if it does not hide that. */
export const attackersCountry = (dice: Dice): string => dice.pick(ATTACKING);
