import { z } from 'zod';

/** How the command line offers a member of a request: the option, and what its value is made of. */
export type CommandOption = {
  readonly help: string;
  /** As Commander writes an option; by default the name of the member with a placeholder for its shape. */
  readonly flags?: string;
  /** Values that it takes; by default those of the shape. */
  readonly choices?: readonly string[];
  /** Help of the option that negates it: it sets false, or null where the value may be null. */
  readonly no?: string;
  /** The value without the option: a text, which the help shows, or what follows from the other members. */
  readonly default?: string | ((members: Readonly<Record<string, unknown>>) => unknown);
  /** What a terminal is asked where the option is not given; it is then required without a terminal. */
  readonly asks?: string;
  /** The value of an option that is given without one. */
  readonly value?: string;
  /** What the text of the option is, if not the value itself. */
  readonly reads?: CommandReader;
  /** A list whose values may contain commas, so that only spaces separate them. */
  readonly keepsCommas?: boolean;
};

/** The member of the request that an argument sets; `reads` as for an option. */
export type CommandArgument =
  | string
  | { readonly member: string; readonly help: string; readonly reads?: CommandReader };

/** Files and short forms that the command line makes values of. */
export type CommandReader =
  | 'amounts'
  | 'jwks-file'
  | 'json-file'
  | 'certificates-file'
  | 'certificate-name'
  | 'png-file'
  | 'text-file'
  | 'user'
  | 'from-day'
  | 'to-day';

/**
 * Options by the member that they set; an option that sets other members has a name that is no member. A text is the help
 * of an option whose name and value follow from the member.
 */
export type CommandOptions = Readonly<Record<string, string | CommandOption>>;

const offered = z.registry<CommandOption>();

/**
 * The shape of a member, with the option by which every command that has the member offers it. A copy: a shape that
 * several members share has the option of none of them.
 * @example name: withOption(text(64), { flags: '--name <name>', help: 'what you call it' })
 */
export function withOption<S extends z.ZodType>(shape: S, option: string | CommandOption): S {
  const copy = shape.clone() as S;
  offered.add(copy, typeof option === 'string' ? { help: option } : option);
  return copy;
}

/** The option of a shape; undefined if it has none itself. */
export const optionOf = (shape: z.ZodType): CommandOption | undefined => offered.get(shape);
