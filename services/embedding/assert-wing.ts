import type { Wing, WingSettings } from '../platform/config/wings.ts';
import { wingLeftOut } from '../platform/errors.ts';

export type HasWings = {
  /** What the installation leaves out. */
  readonly wings: WingSettings;
};

/** Throws `wing_left_out` (404) if the installation leaves the wing out: its jobs do not run, so calls would do half. */
export function assertWing({ wings }: HasWings, wing: Wing): void {
  if (wings.leftOut.includes(wing))
    throw wingLeftOut({ detail: `SALLYPORT_LEAVE_OUT names ${wing}.`, members: { wing } });
}
