// For tests only: a few controls, so that a report takes few statements.
import type { Control } from '../control.ts';
import { controls } from '../controls/all.ts';

const named = (...names: readonly string[]): readonly Control[] => controls.filter(({ name }) => names.includes(name));

/** A check of the database and an attestation. */
export const twoControls: readonly Control[] = named('subjects-unique', 'training');

/** The same, and a control that fails on an installation without backups. */
export const threeControls: readonly Control[] = [...twoControls, ...named('backups-recent')];
