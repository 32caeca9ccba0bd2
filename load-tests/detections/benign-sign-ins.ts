import { type Act, benign, DAY, type Device, HOUR, type Making, MINUTE } from './acts.ts';
import { ABROAD, HOMES } from './places.ts';
import type { Dice } from './random.ts';

/** Shares of the users. They come from how people work, not from what any detection counts. */
const POPULATIONS: readonly (readonly [keyof typeof makers, number])[] = [
  ['office', 34],
  ['mobile', 22],
  ['traveller', 10],
  ['vpn', 8],
  ['shift', 10],
  ['commuter', 5],
  ['student', 8],
  ['satellite', 3],
];
const SIGN_INS_EACH = 20;

type Person = {
  readonly userId: string;
  readonly home: string;
  readonly laptop: Device;
  readonly phone: Device;
  readonly homeIp: string;
  /** The address of a phone changes with each attachment; a carrier has a few exits. */
  readonly carrier: readonly string[];
};
type Site = { readonly country: string; readonly ips: readonly string[] };
type Shared = {
  readonly offices: readonly Site[];
  readonly vpnExits: ReadonlyMap<string, string>;
  readonly corporate: readonly Site[];
  readonly carriers: ReadonlyMap<string, string[]>;
};
type SignIn = Omit<Extract<Act, { kind: 'sign_in' }>, 'kind' | 'label' | 'userId'>;
type Maker = (person: Person, making: Making, shared: Shared) => SignIn[];

const by = (device: Device, ip: string, at: number, more: Partial<SignIn> = {}): SignIn => ({
  at,
  ip,
  deviceId: device.id,
  agent: device.agent,
  ...more,
});
/** A working day of the month, at an hour of this person's time zone, which the simulation does not need to know. */
const timeOf = ({ dice, from, to }: Making, hours: readonly [number, number]): number => {
  const day = dice.whole(0, Math.floor((to - from) / DAY) - 1);
  return from + day * DAY + hours[0] * HOUR + dice.next() * (hours[1] - hours[0]) * HOUR;
};
const times = (making: Making, count: number, hours: readonly [number, number]): number[] =>
  Array.from({ length: count }, () => timeOf(making, hours)).sort((a, b) => a - b);
/** Cookies are lost by clearing, private windows, new profiles and browsers that keep them for a week. */
const loses = (dice: Dice, share = 0.03): { forgetsDevice?: boolean } =>
  dice.chance(share) ? { forgetsDevice: true } : {};
const phoneIp = ({ carrier }: Person, dice: Dice): string => dice.pick(carrier);
/** Now and then a new device, used from then on. */
const maybeNew = (device: Device, { dice, places }: Making, share = 0.01): Device =>
  dice.chance(share) ? { id: dice.uuid(), agent: places.agent() } : device;

const makers = {
  /** At a desk behind the address of the office, at home in the evening, the phone on the way. */
  office: (person, making, { offices }) => {
    const { dice } = making;
    const site = dice.pick(offices.filter(({ country }) => country === person.home));
    let laptop = person.laptop;
    return times(making, SIGN_INS_EACH, [7, 21]).flatMap((at) => {
      laptop = maybeNew(laptop, making);
      if (dice.chance(0.7))
        return [by(laptop, site === undefined ? person.homeIp : dice.pick(site.ips), at, loses(dice))];
      if (dice.chance(0.6)) return [by(laptop, person.homeIp, at, loses(dice))];
      return [by(person.phone, phoneIp(person, dice), at, loses(dice))];
    });
  },
  /** Two apps and networks within minutes: the phone on the carrier, then the tablet or laptop on Wi-Fi. */
  mobile: (person, making) => {
    const { dice } = making;
    return times(making, SIGN_INS_EACH, [6, 24]).map((at, n, all) => {
      const isSecond = n > 0 && at - (all[n - 1] as number) < 20 * MINUTE;
      if (isSecond || dice.chance(0.25)) return by(person.laptop, person.homeIp, at, loses(dice));
      return by(maybeNew(person.phone, making), phoneIp(person, dice), at, loses(dice, 0.05));
    });
  },
  /** Flies twice a month. Roaming keeps the phone in the network at home while the laptop is in the hotel's. */
  traveller: (person, making) => {
    const { dice, places } = making;
    const signIns: SignIn[] = [];
    let at = making.from + dice.next() * 2 * DAY;
    for (let trip = 0; trip < 3 && signIns.length < SIGN_INS_EACH; trip += 1) {
      for (let n = 0; n < 3; n += 1, at += 6 * HOUR + dice.after(8 * HOUR))
        signIns.push(by(person.laptop, person.homeIp, at, loses(dice)));
      // The last sign-in is at the gate; the flight takes as long as the distance says, the next one is on landing.
      const abroad = dice.pick(ABROAD.filter((code) => code !== person.home));
      signIns.push(by(person.phone, phoneIp(person, dice), at));
      at += dice.whole(4, 15) * HOUR + dice.whole(20, 90) * MINUTE;
      const [hotel, local] = [places.address(abroad), places.address(abroad)];
      for (let n = 0; n < 4; n += 1, at += dice.after(9 * HOUR)) {
        const isRoaming = dice.chance(0.5);
        if (dice.chance(0.5))
          signIns.push(by(person.phone, isRoaming ? phoneIp(person, dice) : local, at, loses(dice)));
        // A minute later on the laptop; sometimes on a computer of the hotel or of a colleague.
        const used = dice.chance(0.04) ? { id: dice.uuid(), agent: places.agent() } : person.laptop;
        signIns.push(by(used, hotel, at + dice.after(12 * MINUTE), loses(dice)));
      }
      at += dice.whole(8, 16) * HOUR;
    }
    return signIns.slice(0, SIGN_INS_EACH);
  },
  /** Exits in other countries, switched on and off within minutes; such users also clear cookies. Or the exit of a company. */
  vpn: (person, making, { vpnExits, corporate }) => {
    const { dice } = making;
    const isCorporate = dice.chance(0.5);
    const site = dice.pick(corporate);
    const favourites = [dice.pick([...vpnExits.keys()]), dice.pick([...vpnExits.keys()])];
    let laptop = person.laptop;
    return times(making, SIGN_INS_EACH, [6, 24]).flatMap((at) => {
      laptop = maybeNew(laptop, making, 0.015);
      const exit = dice.chance(0.85) ? dice.pick(favourites) : dice.pick([...vpnExits.keys()]);
      const through = isCorporate ? dice.pick(site.ips) : (vpnExits.get(exit) as string);
      if (dice.chance(0.25)) return [by(person.phone, phoneIp(person, dice), at, loses(dice))];
      return [by(laptop, dice.chance(0.65) ? through : person.homeIp, at, loses(dice, isCorporate ? 0.03 : 0.12))];
    });
  },
  /** At night, on the computers of a ward that twenty people share, all behind one address. */
  shift: (person, making, { offices }) => {
    const { dice } = making;
    const site = dice.pick(offices);
    return times(making, SIGN_INS_EACH, [18, 32]).map((at) => {
      const kiosk = { id: `kiosk ${dice.whole(1, 12)} of ${site.ips[0]}`, agent: person.laptop.agent };
      return dice.chance(0.85)
        ? by(kiosk, site.ips[0] as string, at, loses(dice, 0.1))
        : by(person.phone, phoneIp(person, dice), at);
    });
  },
  /** Lives in one country and works in the next; the carrier of either answers near the border. */
  commuter: (person, making) => {
    const { dice, places } = making;
    const work =
      ({ DE: 'FR', FR: 'BE', NL: 'DE', CH: 'DE', AT: 'DE', BE: 'NL', US: 'CA', CA: 'US' } as Record<string, string>)[
        person.home
      ] ?? person.home;
    const [desk, roaming] = [places.address(work), places.address(work)];
    let laptop = person.laptop;
    return times(making, SIGN_INS_EACH, [6, 22]).map((at) => {
      laptop = maybeNew(laptop, making, 0.02);
      if (dice.chance(0.3))
        return by(person.phone, dice.chance(0.4) ? roaming : phoneIp(person, dice), at, loses(dice));
      return by(laptop, dice.chance(0.6) ? desk : person.homeIp, at, loses(dice));
    });
  },
  /** Any computer of the library, private windows, the phone. */
  student: (person, making, { offices }) => {
    const { dice, places } = making;
    const campus = dice.pick(offices);
    return times(making, SIGN_INS_EACH, [8, 26]).map((at) => {
      if (dice.chance(0.35)) return by({ id: dice.uuid(), agent: places.agent() }, campus.ips[0] as string, at);
      return dice.chance(0.5)
        ? by(person.laptop, person.homeIp, at, loses(dice, 0.15))
        : by(person.phone, phoneIp(person, dice), at, loses(dice));
    });
  },
  /** No table has the address, or it is private behind the proxy of a company. */
  satellite: (person, making) => {
    const { dice, places } = making;
    return times(making, SIGN_INS_EACH, [6, 24]).map((at) =>
      by(
        maybeNew(person.laptop, making, 0.03),
        dice.chance(0.8) ? places.unplaced() : phoneIp(person, dice),
        at,
        loses(dice),
      ),
    );
  },
} satisfies Record<string, Maker>;

function sharedPlaces({ dice, places }: Making): Shared {
  const offices = HOMES.flatMap(([country, share]) =>
    Array.from({ length: Math.max(2, Math.round(share / 2)) }, () => ({
      country,
      ips: Array.from({ length: dice.whole(1, 4) }, () => places.address(country)),
    })),
  );
  const corporate = ['US', 'DE', 'GB', 'JP'].map((country) => ({
    country,
    ips: [places.address(country), places.address(country)],
  }));
  const vpnExits = new Map(ABROAD.map((country) => [country, places.address(country)]));
  const carriers = new Map(
    HOMES.map(([country]) => [country, Array.from({ length: 12 }, () => places.address(country))]),
  );
  return { offices, corporate, vpnExits, carriers };
}

export type BenignPeople = { readonly acts: Act[]; readonly userIds: string[] };

/** Sign-ins of a month, near to `count`, of users of eight populations. */
export function benignSignIns(making: Making, count: number): BenignPeople {
  const { dice, places } = making;
  const shared = sharedPlaces({ ...making, dice: dice.fork('shared places') });
  const acts: Act[] = [];
  const userIds: string[] = [];
  while (acts.length < count) {
    const home = dice.weighted(HOMES);
    const own = dice.fork(`person ${userIds.length}`);
    const person: Person = {
      userId: own.uuid(),
      home,
      homeIp: places.address(home),
      laptop: { id: own.uuid(), agent: places.agent() },
      phone: { id: own.uuid(), agent: places.agent() },
      carrier: shared.carriers.get(home) ?? [],
    };
    const population = own.weighted(POPULATIONS);
    userIds.push(person.userId);
    for (const signIn of (makers[population] as Maker)(person, { ...making, dice: own }, shared))
      if (signIn.at < making.to && acts.length < count)
        acts.push({ kind: 'sign_in', userId: person.userId, label: benign(population, person.userId), ...signIn });
  }
  return { acts, userIds };
}
