/** An account that a person, or a machine, made for itself. */
export type SignUp = {
  readonly seq: number;
  readonly at: number;
  readonly network: string | null;
  readonly agent: string | null;
  /** The address with its digits replaced, or without an account any more, null. */
  readonly pattern: string | null;
  /** Whether the address has digits: names that are counted up. */
  readonly has_digits: boolean;
  readonly verified_at: number | null;
};

const WINDOW_MS = 30 * 60_000;
/** Until then a person may not have read the mail. */
const READ_MS = 5 * 60_000;
const LEAST = 12;
/** So many in the time in which a person may not have read the mail, by one program or of one pattern, are no conference. */
const AT_ONCE = 25;
const UNREAD_SHARE = 0.9;

type MachineSignUps = { readonly by: 'network' | 'pattern'; readonly signUps: number; readonly unverified: number };

/**
 * Whether a machine makes accounts, at the time of the newest one: at least twelve within half an hour, from one network or
 * with one pattern of counted addresses, whose mail was not read after five minutes; or twenty-five within five minutes,
 * by one user agent or of one pattern.
 * @param signUps the newest last; older ones than half an hour are not counted
 */
export function machineSignUps(signUps: readonly SignUp[]): MachineSignUps | null {
  const newest = signUps.at(-1);
  if (newest === undefined) return null;
  const recent = signUps.filter(({ at }) => newest.at - at < WINDOW_MS);
  const network = recent.filter((other) => newest.network !== null && other.network === newest.network);
  const pattern = recent.filter(
    (other) => newest.pattern !== null && newest.has_digits && other.pattern === newest.pattern,
  );
  return unreadOf('network', network, newest) ?? unreadOf('pattern', pattern, newest);
}

function unreadOf(
  by: MachineSignUps['by'],
  group: readonly SignUp[],
  { at: now, agent }: SignUp,
): MachineSignUps | null {
  const isUnread = (row: SignUp): boolean => row.verified_at === null || row.verified_at > now;
  const due = group.filter(({ at }) => now - at >= READ_MS);
  const atOnce = group.filter((other) => now - other.at < READ_MS && (by === 'pattern' || other.agent === agent));
  const [large, least] = due.length >= LEAST ? [due, LEAST] : [atOnce, AT_ONCE];
  const unverified = large.filter(isUnread).length;
  if (large.length < least || unverified < large.length * UNREAD_SHARE) return null;
  return { by, signUps: group.length, unverified };
}
