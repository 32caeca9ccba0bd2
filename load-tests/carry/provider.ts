/** A provider that is being replaced, running, with people signed in. */
export type RunningProvider = {
  readonly name: string;
  /** Kind of `sallyport import`. */
  readonly kind: string;
  /** Its users, as its own exporter or its tables have them. */
  readonly exportFile: string;
  readonly settings: Readonly<Record<string, string>>;
  /** One token of each live session, as its holder has it. */
  readonly tokens: readonly string[];
  stop(): Promise<void>;
};

export type Wanted = {
  readonly users: number;
  readonly sessions: number;
  readonly folder: string;
  say(text: string): void;
};

/** Does the work for 0 to `count` − 1, so many at once. */
export async function each(count: number, atOnce: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < count) {
        next += 1;
        await work(next - 1);
      }
    }),
  );
}
