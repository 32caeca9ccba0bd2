import { z } from 'zod';
import type { LogHead, Marks } from '#services/core/ports.ts';

/** The high-water marks exist and cannot be read: starting without them could restore revoked tokens. */
export class MarksUnreadableError extends Error {
  /** @param place file or object that holds them */
  constructor(place: string, cause: unknown) {
    super(`${place} is not readable; put back its content, or remove it to trust the database as it is`, { cause });
    this.name = 'MarksUnreadableError';
  }
}

const marksShape = z.strictObject({
  incarnation: z.string().max(64),
  revocation_epoch: z.int().min(0),
  beat: z.int().min(0),
});
const headShape = z.strictObject({ origin: z.string().max(512), size: z.int().min(0), root: z.base64().length(44) });
const logMarkShape = headShape.extend({ earlier: z.array(headShape).default([]) });

function parsed<T>(place: string, text: string, shape: z.ZodType<T>): T {
  try {
    return shape.parse(JSON.parse(text));
  } catch (err) {
    throw new MarksUnreadableError(place, err);
  }
}

/** @throws MarksUnreadableError */
export function parseMarks(place: string, text: string): Marks {
  const { incarnation, revocation_epoch, beat } = parsed(place, text, marksShape);
  return { incarnation, revocationEpoch: revocation_epoch, beat };
}

export const marksText = ({ incarnation, revocationEpoch, beat }: Marks): string =>
  `${JSON.stringify({ incarnation, revocation_epoch: revocationEpoch, beat })}\n`;

/** The marks after raising `held` to `marks`, by the rule of `MarkStore.raise`. */
export function joinMarks(held: Marks | null, marks: Marks, replaced: readonly string[]): Marks {
  if (held === null) return marks;
  if (held.incarnation !== marks.incarnation) return replaced.includes(held.incarnation) ? marks : held;
  return {
    incarnation: held.incarnation,
    revocationEpoch: Math.max(held.revocationEpoch, marks.revocationEpoch),
    beat: Math.max(held.beat, marks.beat),
  };
}

export const isSameMarks = (one: Marks | null, other: Marks | null): boolean =>
  one?.incarnation === other?.incarnation &&
  one?.revocationEpoch === other?.revocationEpoch &&
  one?.beat === other?.beat;

/** The mark, and the last head of each earlier log that was continued. */
export type HeldLogMark = { readonly mark: LogHead; readonly earlier: readonly LogHead[] };

/** @throws MarksUnreadableError */
export function parseLogMark(place: string, text: string): HeldLogMark {
  const { earlier, ...mark } = parsed(place, text, logMarkShape);
  return { mark, earlier };
}

/** The stored text after the mark has moved within its log. Throws if `next` belongs to another log. */
export function movedLogMark(held: HeldLogMark | null, next: LogHead): HeldLogMark {
  if (held !== null && held.mark.origin !== next.origin)
    throw new Error(`the mark of ${held.mark.origin} moves to ${next.origin} by \`sallyport audit continue\` alone`);
  return { mark: next, earlier: held?.earlier ?? [] };
}

/** The stored text after the mark has moved to the log that continues its own. */
export const followedLogMark = (held: HeldLogMark | null, next: LogHead): HeldLogMark => ({
  mark: next,
  earlier: held === null ? [] : [...held.earlier, held.mark],
});

const headOf = ({ origin, size, root }: LogHead): LogHead => ({ origin, size, root });

export const logMarkText = ({ mark, earlier }: HeldLogMark): string =>
  `${JSON.stringify({ ...headOf(mark), earlier: earlier.map(headOf) })}\n`;

export const isSameLogMark = (one: LogHead | null, other: LogHead | null): boolean =>
  one?.origin === other?.origin && one?.size === other?.size && one?.root === other?.root;
