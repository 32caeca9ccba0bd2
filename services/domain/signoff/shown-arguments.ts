import { visibleText } from '../shared/visible-text.ts';

/** Arguments as a person reads them before deciding. */
export const shownArguments = (value: unknown): string => visibleText(JSON.stringify(value, null, 2));
