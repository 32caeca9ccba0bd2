import { setImmediate as nextTurn } from 'node:timers/promises';

/** What follows an answer takes some tenths of a millisecond: between so many, others get their turn. */
const ANSWERS_PER_TURN = 4;

/** Answers all members of a batch in their order, the first few at once and a few in each later turn of the event loop. */
export async function answerInTurns(count: number, answer: (index: number) => void): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    if (index > 0 && index % ANSWERS_PER_TURN === 0) await nextTurn();
    answer(index);
  }
}
