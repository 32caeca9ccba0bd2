import { cutText } from '#services/platform/define/cut-text.ts';
import { defineSettings, type SettingsOf } from '../define/setting.ts';
import { type ConfigProblem, problemsOf } from './config-error.ts';
import { readText, UnfitError, wordsIn } from './shapes.ts';

/**
 * Parts of the product that an installation can leave out. Everything else works without them. `handoff`, which pushes
 * events and exports them to a SIEM, is a part of `outbound`, and can be left out alone: alerts and shared signals stay.
 */
export const WINGS = [
  'privacy',
  'compliance',
  'agents',
  'signoff',
  'import',
  'outbound',
  'handoff',
  'monitoring',
  'recovery',
  'mcp',
  'console',
] as const;
export type Wing = (typeof WINGS)[number];

/** Wings that cannot be there without another one. */
const NEEDS: Partial<Readonly<Record<Wing, Wing>>> = { compliance: 'privacy' };
/** Wings that leave with the one that they are a part of. */
const PARTS: Partial<Readonly<Record<Wing, readonly Wing[]>>> = { outbound: ['handoff'] };

const isWing = (name: string): name is Wing => (WINGS as readonly string[]).includes(name);

const wings = readText('', 256, (text): readonly Wing[] => {
  const items = wordsIn(text);
  const unknown = items.find((item) => !isWing(item));
  if (unknown === undefined)
    return [...new Set(items.filter(isWing).flatMap((wing) => [wing, ...(PARTS[wing] ?? [])]))];
  throw new UnfitError(`"${cutText(unknown, 64)}" cannot be left out; these can: ${WINGS.join(', ')}`);
});

/** The same for all processes of an installation. */
export const wingSettings = defineSettings({
  leftOut: {
    env: 'SALLYPORT_LEAVE_OUT',
    schema: wings,
    use: `What this installation does not use, comma separated, of ${WINGS.join(', ')}. Their paths answer like unknown ones, their jobs and processes do not run, and their commands are refused. \`handoff\` (pushed events and the export to a SIEM) is the part of \`outbound\` that can be left out alone. All processes need the same value.`,
  },
});

export type WingSettings = SettingsOf<typeof wingSettings>;

const hasWing = ({ leftOut }: WingSettings, wing: Wing): boolean => !leftOut.includes(wing);

/** The wings that are no module but a face of the others, and whether an installation has them. */
export type Faces = Readonly<Record<'mcp' | 'console', boolean>>;

export const facesOf = (of: WingSettings): Faces => ({ mcp: hasWing(of, 'mcp'), console: hasWing(of, 'console') });

/** Settings of a wing that have a value. */
type Given = { readonly wing: Wing; readonly names: readonly string[] };

/** Refuses a start with a wing whose rules need one that is left out, or without one whose settings are given. */
export const wingProblems = (settings: WingSettings, given: readonly Given[]): ConfigProblem[] =>
  problemsOf((refuse) => {
    const { env } = wingSettings.leftOut;
    for (const wing of WINGS) {
      const need = NEEDS[wing];
      if (need !== undefined && hasWing(settings, wing) && !hasWing(settings, need))
        refuse(env, `leaves out ${need}, which ${wing} needs`, `leave out ${wing} too, or do not leave out ${need}`);
    }
    for (const { wing, names } of given) {
      const set = names.join(' and ');
      if (names.length > 0 && !hasWing(settings, wing))
        refuse(env, `leaves out ${wing}, and ${set} would do nothing`, `unset ${set}, or do not leave out ${wing}`);
    }
  });
