import type { Case } from './case.ts';
import { clockCases } from './clock-cases.ts';
import { linkCases } from './link-cases.ts';
import { refreshCases } from './refresh-cases.ts';

export const cases: readonly Case[] = [...clockCases, ...linkCases, ...refreshCases];
