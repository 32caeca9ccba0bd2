import { leastDistanceKm } from './countries.ts';

/** One sign-in of a user. Times are milliseconds since 1970; `country` is null if the table does not know the address. */
type PlacedSignIn = { readonly at: number; readonly country: string | null; readonly agent: string | null };

/** Faster than a jet with the wind behind it. */
const KM_PER_HOUR = 1_000;
const MS_PER_HOUR = 3_600_000;
/** Less is too short to cross a border and turn on a new device. */
const BORDER_MS = 600_000;

/**
 * The earlier sign-in that the user cannot have travelled from, or undefined. It is no impossible travel if
 * - a country is unknown, or the two are near enough for the time between, of which ten minutes are for the border,
 * - the user signed in from this country before (a second home, a VPN exit, the egress of a company),
 * - the browser names itself as one did that the user has: cookies are lost more often than browsers are copied.
 * @param earlier sign-ins before it, newest first
 */
export function travelledFrom(signIn: PlacedSignIn, earlier: readonly PlacedSignIn[]): PlacedSignIn | undefined {
  const { country } = signIn;
  if (country === null || earlier.some((other) => other.country === country || other.agent === signIn.agent))
    return undefined;
  return earlier.find(({ at, country: from }) => {
    const hours = (signIn.at - at) / MS_PER_HOUR;
    const distanceKm = from === null ? undefined : leastDistanceKm(from, country);
    return distanceKm !== undefined && (signIn.at - at < BORDER_MS || distanceKm > hours * KM_PER_HOUR);
  });
}
