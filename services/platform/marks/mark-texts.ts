import { z } from 'zod';
import type { LogMark, Marks } from '../../domain/ports.ts';

/** The marks exist and cannot be read: starting without them could revive what was revoked. */
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
const logMarkShape = z.strictObject({ origin: z.string().max(512), size: z.int().min(0), root: z.base64().length(44) });

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

/** What holds after `marks` were raised on `held`, by the rule of `MarkStore.raise`. */
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

/** @throws MarksUnreadableError */
export const parseLogMark = (place: string, text: string): LogMark => parsed(place, text, logMarkShape);

export const logMarkText = ({ origin, size, root }: LogMark): string => `${JSON.stringify({ origin, size, root })}\n`;

export const isSameLogMark = (one: LogMark | null, other: LogMark | null): boolean =>
  one?.origin === other?.origin && one?.size === other?.size && one?.root === other?.root;
