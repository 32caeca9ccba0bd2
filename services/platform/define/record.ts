import { z } from 'zod';

/**
 * A setting of a record. Its name is that of the column, of the member in requests and answers, and of the member of
 * client metadata (RFC 7591). Its shape has the option of commands (`withOption`).
 */
type Setting = {
  /** What requests may set. */
  readonly shape: z.ZodType;
  /** The value of a new record for which a request names none; a setting without it is required. */
  readonly initially?: unknown;
  /** What answers show, by default the shape; lists of any texts for lists. */
  readonly shows?: z.ZodType;
  /** Read and shown instead of a value that is not shown itself: its name, and the expression that the table has for it. */
  readonly showsAs?: { readonly name: string; readonly sql: string; readonly shape: z.ZodType };
  /** The expression to read, by default the column. */
  readonly reads?: string;
  /** A member of client metadata: what a client may register, and how the reference describes it. */
  readonly registers?: { readonly shape: z.ZodType; readonly help: string; readonly answers?: z.ZodType };
};

type Settings = Readonly<Record<string, Setting>>;
type Name<S> = keyof S & string;

type Shown<P extends Setting> = P extends { readonly shows: infer V extends z.ZodType }
  ? V
  : P['shape'] extends z.ZodArray
    ? z.ZodArray<z.ZodString>
    : P['shape'];

type CreateShape<S extends Settings> = {
  [N in Name<S>]: S[N] extends { readonly initially: unknown } ? z.ZodOptional<S[N]['shape']> : S[N]['shape'];
};
type UpdateShape<S extends Settings> = { [N in Name<S>]: z.ZodOptional<S[N]['shape']> };
type ViewShape<S extends Settings> = {
  [N in Name<S> as S[N] extends { readonly showsAs: { readonly name: infer A extends string } } ? A : N]: S[N] extends {
    readonly showsAs: { readonly shape: infer V extends z.ZodType };
  }
    ? V
    : Shown<S[N]>;
};
type Registered<S extends Settings> = {
  [N in Name<S> as S[N] extends { readonly registers: object } ? N : never]: S[N] extends {
    readonly registers: { readonly shape: infer R extends z.ZodType };
  }
    ? R
    : never;
};
type Answered<S extends Settings> = {
  [N in keyof Registered<S>]: S[N & Name<S>] extends {
    readonly registers: { readonly answers: infer A extends z.ZodType };
  }
    ? A
    : z.ZodOptional<z.ZodString>;
};

/** Lists as rules take them: a shape has checked which texts they may have. */
type Frozen<T> = T extends readonly (infer I)[] ? readonly (I extends string ? string : I)[] : T;

/** A row as the SELECT list of the record reads it. */
export type RowOf<R> = R extends { readonly view: infer V extends z.ZodRawShape }
  ? { readonly [N in keyof V]: Frozen<z.output<V[N]>> }
  : never;
/** Values of the settings, as a request that creates the record names them. */
export type ValuesOf<R> = R extends { readonly settings: infer S extends Settings }
  ? { readonly [N in Name<S>]: Frozen<z.output<S[N]['shape']>> }
  : never;
/** Changes of the settings; an undefined one changes nothing. */
export type ChangesOf<R> = { readonly [N in keyof ValuesOf<R>]?: ValuesOf<R>[N] | undefined };

type RecordDefinition<S extends Settings> = {
  readonly settings: S;
  readonly create: CreateShape<S>;
  readonly update: UpdateShape<S>;
  readonly view: ViewShape<S>;
  /** Client metadata: shapes that `registers` gives, those of the answer, and how the reference documents them. */
  readonly registers: {
    readonly shapes: Registered<S>;
    readonly answers: Answered<S>;
    readonly documents: { readonly [N in keyof Registered<S>]: z.ZodOptional<z.ZodUnknown> };
  };
  readonly select: string;
  /** The columns, as an INSERT and the SET of an UPDATE name them. */
  readonly columns: string;
  /** Values of a new record: those given, else the initial ones. */
  withInitial<G extends ChangesOf<{ settings: S }>>(given: G): ValuesOf<{ settings: S }>;
  /** Only the settings among the members. */
  pick(given: ChangesOf<{ settings: S }>): ChangesOf<{ settings: S }>;
};

const shownAs = ({ shape, shows }: Setting): z.ZodType =>
  shows ?? (shape instanceof z.ZodArray ? z.array(z.string()) : shape);

const mapped = <T>(
  settings: Settings,
  make: (setting: Setting, name: string) => readonly [string, T],
): Record<string, T> => Object.fromEntries(Object.entries(settings).map(([name, setting]) => make(setting, name)));

/**
 * The SELECT list of rows that have the members of a shape: the columns of these names, or the expressions given instead.
 * @example selectOf(roleView.shape, { role_id: 'id' }) // id AS role_id, name, …
 */
export const selectOf = <S extends z.ZodRawShape>(
  shape: S,
  expressions: { readonly [N in keyof S]?: string } = {},
): string =>
  Object.keys(shape)
    .map((name) => (expressions[name] === undefined ? name : `${expressions[name]} AS ${name}`))
    .join(', ');

/**
 * Declares what has many settings, one line each, and gives what else would be said of each setting once more: the shapes
 * of requests and answers, the lists of SELECT, INSERT and UPDATE, and client metadata.
 *
 * An UPDATE writes the changed members with `SET (columns) = (SELECT columns FROM jsonb_populate_record(row, changes))`.
 * @example defineRecord({ redirect_uris: { shape: z.array(z.string()), initially: [] } })
 */
export function defineRecord<const S extends Settings>(settings: S): RecordDefinition<S> {
  const registering = Object.fromEntries(
    Object.entries(settings).filter(([, { registers }]) => registers !== undefined),
  );
  const among = (given: object, isKept: (value: unknown) => boolean) =>
    Object.entries(given).filter(([name, value]) => Object.hasOwn(settings, name) && isKept(value));
  return {
    settings,
    create: mapped(settings, ({ shape, initially }, name) => [
      name,
      initially === undefined ? shape : shape.optional(),
    ]) as CreateShape<S>,
    update: mapped(settings, ({ shape }, name) => [name, shape.optional()]) as UpdateShape<S>,
    view: mapped(settings, (setting, name) =>
      setting.showsAs === undefined ? [name, shownAs(setting)] : [setting.showsAs.name, setting.showsAs.shape],
    ) as ViewShape<S>,
    registers: {
      shapes: mapped(registering, ({ registers }, name) => [name, registers!.shape]) as Registered<S>,
      answers: mapped(registering, ({ registers }, name) => [
        name,
        registers!.answers ?? z.string().optional(),
      ]) as Answered<S>,
      // Documented and not validated: a refusal has the error codes of RFC 7591 §3.2.2.
      documents: mapped(registering, ({ registers }, name) => [
        name,
        z.unknown().optional().meta({ description: registers!.help }),
      ]) as RecordDefinition<S>['registers']['documents'],
    },
    select: Object.entries(settings)
      .map(([name, { reads, showsAs }]) => {
        if (showsAs !== undefined) return `${showsAs.sql} AS ${showsAs.name}`;
        return reads === undefined ? name : `${reads} AS ${name}`;
      })
      .join(', '),
    columns: Object.keys(settings).join(', '),
    withInitial: (given) =>
      mapped(settings, ({ initially }, name) => [
        name,
        (given as Record<string, unknown>)[name] ?? initially,
      ]) as ValuesOf<{ settings: S }>,
    pick: (given) => Object.fromEntries(among(given, (value) => value !== undefined)) as ChangesOf<{ settings: S }>,
  };
}
