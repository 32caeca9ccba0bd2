import type { CountryOf } from '#services/platform/geo/country-table.ts';
import { type Act, DAY } from './acts.ts';
import { type Attack, attacks } from './attacks.ts';
import { benignOthers } from './benign-others.ts';
import { benignSignIns } from './benign-sign-ins.ts';
import { createPlaces } from './places.ts';
import { createDice } from './random.ts';
import { type RecordedEvent, recordActs } from './record-acts.ts';

const SPAN_MS = 30 * DAY;
const FULL = 100_000;

/** A labelled set: traffic of thirty days that ends at `to`, and who must exist for it. */
export type ReplaySet = {
  readonly events: readonly RecordedEvent[];
  readonly attacks: readonly Attack[];
  readonly users: readonly { readonly id: string; readonly email: string; readonly verifiedAt: number | null }[];
  readonly agentIds: readonly string[];
  readonly benignSignIns: number;
};

/** The same seed, size and end make the same set. */
export function makeSet(
  { seed, signIns, to }: { readonly seed: number; readonly signIns: number; readonly to: number },
  countryOf: CountryOf,
): ReplaySet {
  const dice = createDice(seed);
  const making = { dice, places: createPlaces(dice.fork('places'), countryOf), from: to - SPAN_MS, to };
  const scale = signIns / FULL;
  const people = benignSignIns({ ...making, dice: dice.fork('people') }, signIns);
  const others = benignOthers({ ...making, dice: dice.fork('others') }, people.userIds, scale);
  const made = attacks({ ...making, dice: dice.fork('attacks') }, Math.max(2, Math.round(30 * scale)));
  const acts: Act[] = [...people.acts, ...others, ...made.flatMap((attack) => attack.acts)].filter(({ at }) => at < to);
  const taken = new Set<string>();
  const signUps = acts.flatMap((act) => {
    if (act.kind !== 'sign_up') return [];
    const [name = '', domain] = act.email.split('@');
    const email = taken.has(act.email) ? `${name}.${act.userId.slice(0, 8)}@${domain}` : act.email;
    taken.add(email);
    return [{ id: act.userId, email, verifiedAt: act.verifiedAfterMs === null ? null : act.at + act.verifiedAfterMs }];
  });
  const existing = [...people.userIds, ...made.flatMap(({ userIds }) => userIds)];
  return {
    events: recordActs(acts, countryOf),
    attacks: made,
    users: [...new Set(existing)]
      .map((id): ReplaySet['users'][number] => ({ id, email: `${id}@people.test`, verifiedAt: to - SPAN_MS }))
      .concat(signUps),
    agentIds: [...new Set(acts.flatMap((act) => ('agentId' in act ? [act.agentId] : [])))],
    benignSignIns: people.acts.length,
  };
}
