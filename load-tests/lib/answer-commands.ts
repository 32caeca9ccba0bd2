import { createInterface } from 'node:readline';

/** Answers commands of a `LineProcess`, a line of JSON each, until the input ends. */
export async function answerCommands<T>(answer: (command: T) => unknown): Promise<never> {
  // Packages that print would end up between the replies.
  const reply = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr);
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, ...command } = JSON.parse(line) as { readonly id: number };
    void (async () => answer(command as T))()
      .then(
        (result) => ({ id, result }),
        (err: Error) => ({ id, error: err.message }),
      )
      .then((answered) => reply(`${JSON.stringify(answered)}\n`));
  }
  process.exit(0);
}
