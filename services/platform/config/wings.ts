import { z } from 'zod';
import { cutText } from '#services/platform/define/cut-text.ts';
import { defineSettings, type SettingsOf } from '../define/setting.ts';

/** Parts of the product that an installation can leave out. Everything else works without them. */
export const WINGS = ['privacy', 'compliance', 'agents', 'signoff', 'handoff', 'mcp', 'console'] as const;
export type Wing = (typeof WINGS)[number];

const isWing = (name: string): name is Wing => (WINGS as readonly string[]).includes(name);

const wings = z
  .string()
  .max(256)
  .default('')
  .transform((text, context): readonly Wing[] => {
    const items = [...new Set(text.split(/[\s,]+/).filter((item) => item !== ''))];
    const unknown = items.find((item) => !isWing(item));
    if (unknown === undefined) return items.filter(isWing);
    context.addIssue({
      code: 'custom',
      message: `"${cutText(unknown, 64)}" cannot be left out; these can: ${WINGS.join(', ')}`,
    });
    return z.NEVER;
  });

/** The same for all processes of an installation. */
export const wingSettings = defineSettings({
  leftOut: {
    env: 'SALLYPORT_LEAVE_OUT',
    schema: wings,
    use: `What this installation does not use, comma separated, of ${WINGS.join(', ')}. Their paths answer like unknown ones, and their jobs and processes do not run. All processes need the same value.`,
  },
});

export type WingSettings = SettingsOf<typeof wingSettings>;

/** Whether an installation has a wing. */
export const hasWing = ({ leftOut }: WingSettings, wing: Wing): boolean => !leftOut.includes(wing);

/** Refuses a start with a wing whose rules need one that is left out, or whose settings are given. */
export function wingProblems(
  given: WingSettings,
  { hasEndpoints }: { readonly hasEndpoints: boolean },
): { readonly env: string; readonly problem: string; readonly fix: string }[] {
  const env = 'SALLYPORT_LEAVE_OUT';
  return [
    ...(hasWing(given, 'compliance') && !hasWing(given, 'privacy')
      ? [
          {
            env,
            problem: 'leaves out privacy, whose rules the compliance controls check',
            fix: 'leave out compliance too, or do not leave out privacy',
          },
        ]
      : []),
    ...(hasEndpoints && !hasWing(given, 'handoff')
      ? [
          {
            env,
            problem: 'leaves out handoff, and HANDOFF_ENDPOINTS or SIEM_TARGETS is set',
            fix: 'unset HANDOFF_ENDPOINTS and SIEM_TARGETS, or do not leave out handoff',
          },
        ]
      : []),
  ];
}
