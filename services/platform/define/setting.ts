import type { z } from 'zod';

/** One setting: its environment variable, shape and description. */
export type Setting<T = unknown> = {
  readonly env: string;
  readonly schema: z.ZodType<T, string | undefined>;
  readonly use: string;
  /** Printed as `[redacted]` everywhere. */
  readonly secret?: boolean;
  /** Shown in `.env.example`; never a real secret. */
  readonly example?: string;
};

export type Section = Readonly<Record<string, Setting>>;

/** Declares a configuration section: `defineSettings({ port: { env: 'PORT', schema: …, use: '…' } })`. */
export const defineSettings = <const S extends Record<string, Setting>>(section: S): S => section;

export type SettingsOf<S extends Section> = { readonly [K in keyof S]: z.output<S[K]['schema']> };
