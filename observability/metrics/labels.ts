/** A label whose values are only known at start-up, such as the route table; closed once by `closeLabel`. */
export const atBoot: unique symbol = Symbol('closed at boot');

/** Label name to its closed list of values. */
export type LabelLists = Readonly<Record<string, readonly string[] | typeof atBoot>>;

/** One value per label, each from its list; any other value becomes `other` and adds no series. */
export type LabelValues<L extends LabelLists> = {
  readonly [K in keyof L]: L[K] extends readonly string[] ? L[K][number] : string;
};

/** No argument for a metric without labels, otherwise one. */
export type LabelArguments<L extends LabelLists> = [keyof L] extends [never] ? [] : [labels: LabelValues<L>];

/** Replaces a value outside the list. */
const OTHER_VALUE = 'other';

const SERIES_MAX = 100_000;

type Axis = {
  name: string;
  values: readonly string[];
  positions: ReadonlyMap<string, number>;
  other: number;
  stride: number;
};

function listed(values: readonly string[] | typeof atBoot): readonly string[] {
  const list = values === atBoot ? [] : [...new Set(values)];
  return list.includes(OTHER_VALUE) ? list : [...list, OTHER_VALUE];
}

/** Converts a set of label values to the index of its series: a mixed-radix number over closed lists. */
export class LabelSpace {
  #axes: Axis[] = [];
  #lists: Record<string, readonly string[] | typeof atBoot>;
  size = 1;

  constructor(lists: LabelLists) {
    this.#lists = { ...lists };
    this.#lay();
  }

  get names(): string[] {
    return this.#axes.map((axis) => axis.name);
  }

  /** The declared values of each label, without `other` unless declared; null while not closed. */
  get declared(): Record<string, readonly string[] | null> {
    const entries = Object.entries(this.#lists);
    return Object.fromEntries(entries.map(([name, values]) => [name, values === atBoot ? null : values]));
  }

  /** Sets the values of an open label. Throws when the label is unknown or already closed. */
  close(name: string, values: readonly string[]): void {
    if (this.#lists[name] !== atBoot) throw new Error(`label ${name} is not open`);
    this.#lists[name] = values;
    this.#lay();
  }

  index(labels: Readonly<Record<string, string>> | undefined): number {
    let index = 0;
    for (const axis of this.#axes) {
      const position = axis.positions.get(labels?.[axis.name] as string);
      index += (position ?? axis.other) * axis.stride;
    }
    return index;
  }

  labels(index: number): Record<string, string> {
    const labels: Record<string, string> = {};
    for (const axis of this.#axes)
      labels[axis.name] = axis.values[Math.floor(index / axis.stride) % axis.values.length] as string;
    return labels;
  }

  #lay(): void {
    this.size = 1;
    this.#axes = Object.entries(this.#lists).map(([name, list]) => {
      if (!/^[a-z][a-z0-9_]*$/.test(name) || name === 'le') throw new Error(`${name} cannot be a label`);
      const values = listed(list);
      const positions = new Map(values.map((value, position) => [value, position]));
      const axis = { name, values, positions, other: values.indexOf(OTHER_VALUE), stride: this.size };
      this.size *= values.length;
      return axis;
    });
    if (this.size > SERIES_MAX) throw new Error(`${this.size} label combinations, more than ${SERIES_MAX}`);
  }
}
