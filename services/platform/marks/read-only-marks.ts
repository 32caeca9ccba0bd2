import type { MarkStore } from '#services/domain/ports.ts';

/** The same marks for one who only heeds them, beside somebody who raises them. */
export const readOnlyMarks = (marks: MarkStore): MarkStore => ({
  read: () => marks.read(),
  raise: async (given) => (await marks.read()) ?? given,
});
